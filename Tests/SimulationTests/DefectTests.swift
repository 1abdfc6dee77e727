import DurableSimulation
import Foundation
import Testing

@Suite("Deliberate mistakes") struct DefectTests {
    /// A seed that finds each, from the table in `docs/simulation.md`.
    private static let table: [(name: String, seed: UInt64)] = {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "docs/simulation.md")
        let text = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").compactMap { line in
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count >= 3, let seed = UInt64(cells[1]) else { return nil }
            let name = cells[0].trimmingCharacters(in: ["`"])
            return Defect(name: name).map { ($0.name, seed) }
        }
    }()

    @Test("Each has a seed that finds it within 500") func complete() {
        #expect(Self.table.map(\.name).sorted() == Defect.all.map(\.name).sorted())
        #expect(Self.table.allSatisfy { (1...500).contains($0.seed) })
    }

    @Test("Are found", arguments: Defect.all.map(\.name)) func found(name: String) async throws {
        let seed = try #require(Self.table.first { $0.name == name }?.seed)
        let defect = try #require(Defect(name: name))
        let outcome = await SimulationThread.run {
            SimulationRun.perform(SimulationPlan(seed: seed, defect: defect))
        }
        #expect(
            !outcome.violations.isEmpty,
            "runs have changed: make the table in docs/simulation.md anew with dtq simulate --defects")
    }
}
