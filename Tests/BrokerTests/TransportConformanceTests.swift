import DurableConformance
import Foundation
import Testing

extension RabbitMQTests {
    @Suite("Conformance") struct Conformance {
        @Test("Obeys the rules of every transport", arguments: rules)
        func obeys(_ rule: TransportRule) async throws {
            let sandbox = try await Sandbox.make()
            do {
                try await rule.verify(restart: Self.mayRestart ? Self.restart : nil) {
                    TransportPair(first: sandbox.transport(), second: sandbox.transport())
                }
            } catch {
                await sandbox.remove()
                throw error
            }
            await sandbox.remove()
        }

        /// Those that this broker can be asked to show.
        private static var rules: [TransportRule] {
            TransportRule.allCases.filter { $0 != .restartKeepsWhatIsDurable || mayRestart }
        }

        /// Asked for by name, since other suites may use the same broker at the same time.
        private static var mayRestart: Bool {
            TestBroker.isOurs && ProcessInfo.processInfo.environment["DTQ_TEST_BROKER_RESTARTS"] != nil
        }

        @Sendable private static func restart() async throws {
            #expect(try await TestBroker.control("stop_app"))
            #expect(try await TestBroker.control("start_app"))
        }
    }
}
