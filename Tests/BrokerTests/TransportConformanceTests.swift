import DurableConformance
import Testing

extension RabbitMQTests {
    @Suite("Conformance") struct Conformance {
        @Test("Obeys the rules of every transport", arguments: TransportRule.allCases)
        func obeys(_ rule: TransportRule) async throws {
            let sandbox = try await Sandbox.make()
            do {
                try await rule.verify(restart: TestBroker.isOurs ? Self.restart : nil) { TransportPair(first: sandbox.transport(), second: sandbox.transport()) }
            } catch {
                await sandbox.remove()
                throw error
            }
            await sandbox.remove()
        }

        @Sendable private static func restart() async throws {
            #expect(try await TestBroker.control("stop_app"))
            #expect(try await TestBroker.control("start_app"))
        }
    }
}
