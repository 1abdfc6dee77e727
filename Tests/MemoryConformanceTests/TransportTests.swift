import DurableConformance
import DurableMemory
import Testing

@Suite("Memory transport") struct MemoryTransportConformanceTests {
    @Test("Obeys the rules of every transport", arguments: TransportRule.allCases)
    func obeys(_ rule: TransportRule) async throws {
        let broker = MemoryBroker()
        try await rule.verify {
            TransportPair(first: broker.connect(as: "first"), second: broker.connect(as: "second"))
        }
    }
}
