import DurableConformance
import DurableMemory
import Testing

@Suite("Memory transport") struct MemoryTransportConformanceTests {
    @Test("Obeys the rules of every transport", arguments: TransportRule.allCases)
    func obeys(_ rule: TransportRule) async throws {
        try await verify(rule, on: MemoryBroker())
    }

    @Test("Obeys them on a network that takes its time, too", arguments: TransportRule.allCases)
    func obeysFromAfar(_ rule: TransportRule) async throws {
        try await verify(rule, on: MemoryBroker(network: LaneNetwork()))
    }

    private func verify(_ rule: TransportRule, on broker: MemoryBroker) async throws {
        let restart: @Sendable () -> Void = {
            broker.stop()
            broker.start()
        }
        try await rule.verify(restart: restart) {
            TransportPair(first: broker.connect(as: "first"), second: broker.connect(as: "second"))
        }
    }
}
