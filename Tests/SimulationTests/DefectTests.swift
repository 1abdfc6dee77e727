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

    @Test("Each has a documented seed within 500") func complete() {
        #expect(Self.table.map(\.name).sorted() == Defect.all.map(\.name).sorted())
        #expect(Self.table.allSatisfy { (1...500).contains($0.seed) })
    }

    @Test("Are found", arguments: Defect.all.map(\.name)) func found(name: String) async throws {
        let documented = try #require(Self.table.first { $0.name == name }?.seed)
        let defect = try #require(Defect(name: name))
        // Any change of the engine makes seeds other runs: then another one finds it.
        let seeds = [documented] + Array(1...500)
        let isFound = await SimulationThread.run {
            seeds.contains { !SimulationRun.perform(SimulationPlan(seed: $0, defect: defect)).violations.isEmpty }
        }
        #expect(isFound, "no seed from 1 to 500 finds it")
    }
}
