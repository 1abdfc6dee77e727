import DurableConformance
import DurableMemory
import Testing

@Suite("Memory transport") struct MemoryTransportConformanceTests {
    @Test("Obeys the rules of every transport", arguments: TransportRule.allCases)
    func obeys(_ rule: TransportRule) async throws {
        let broker = MemoryBroker()
        let restart: @Sendable () -> Void = {
            broker.stop()
            broker.start()
        }
        try await rule.verify(restart: restart) {
            TransportPair(first: broker.connect(as: "first"), second: broker.connect(as: "second"))
        }
    }
}
