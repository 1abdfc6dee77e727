import DurableSimulation
import Testing

@Suite("Seeded generator") struct GeneratorTests {
    @Test("Gives the same numbers for the same seed and purpose, others for another purpose") func repeats() {
        var first = SeededGenerator(seed: 7, purpose: "network")
        var second = SeededGenerator(seed: 7, purpose: "network")
        var other = SeededGenerator(seed: 7, purpose: "faults")
        let numbers = (0..<8).map { _ in first.next() }
        #expect(numbers == (0..<8).map { _ in second.next() })
        #expect(numbers != (0..<8).map { _ in other.next() })
    }
}
