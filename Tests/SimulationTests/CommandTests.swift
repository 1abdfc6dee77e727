import DurableSimulation
import Foundation
import Testing

/// The built `dtq`, next to the test bundle: the command starts processes of its own program.
private struct DTQ: Sendable {
    var status: Int32
    var output: String
    var errors: String
    var lastLine: String { output.split(separator: "\n").last.map(String.init) ?? "" }

    /// On a thread of its own: waiting for a process must not keep other tests from running.
    static func run(_ arguments: String...) async throws -> DTQ { try await run(arguments) }

    static func run(_ arguments: [String]) async throws -> DTQ {
        try await SimulationThread.run { Result { try DTQ(arguments) } }.get()
    }

    private init(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().appendingPathComponent("dtq")
        process.arguments = ["simulate"] + arguments
        let errorFile = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        _ = FileManager.default.createFile(atPath: errorFile.path, contents: nil)
        defer { try? FileManager.default.removeItem(at: errorFile) }
        let output = Pipe()
        process.standardOutput = output
        process.standardError = try FileHandle(forWritingTo: errorFile)
        try process.run()
        self.output = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        status = process.terminationStatus
        errors = try String(contentsOf: errorFile, encoding: .utf8)
    }

    func json() throws -> [String: Any] {
        try #require(JSONSerialization.jsonObject(with: Data(lastLine.utf8)) as? [String: Any])
    }
}

@Suite("dtq simulate") struct SimulateCommandTests {
    /// Fixed, so that a build that passes here passes anywhere; fresh seeds are for people and nights.
    @Test("A few hundred seeds hold every invariant") func holds() async throws {
        let run = try await DTQ.run("--seeds", "1..300", "--json")
        let json = try run.json()
        #expect(json["seeds"] as? Int == 300)
        #expect(json["violations"] as? Int == 0, "\(run.errors)")
        #expect(json["seeds_per_second"] as? Double != nil)
        #expect(run.status == 0)
    }

    @Test("A seed is the same run in any process", arguments: ["memory", "sqlite", "replicated"])
    func repeats(storage: String) async throws {
        let first = try await DTQ.run("--seed", "11", "--json", "--storage", storage).json()
        let second = try await DTQ.run("--seed", "11", "--json", "--storage", storage).json()
        #expect(first["digest"] as? String == second["digest"] as? String)
        #expect(first["digest"] as? String != nil)
    }

    @Test("A violation comes with its seed, the commit, the shortest run that shows it, and how to see it again")
    func violation() async throws {
        let run = try await DTQ.run("--seed", "2", "--defect", "releasesBeforeDurable")
        #expect(run.status == 1)
        let lines = run.output.split(separator: "\n").map(String.init)
        #expect(lines.first?.hasPrefix("seed 2, commit ") == true)
        #expect(lines.contains { $0.hasPrefix("violation: I5") })
        #expect(lines.contains { $0.hasPrefix("shrunk in ") })
        #expect(lines.contains { $0.hasPrefix("violation of the shrunk run: ") })
        #expect(lines.last == "again: dtq simulate --seed 2 --defect releasesBeforeDurable")
    }

    @Test("A run of many seeds with violations explains the first, names each seed and fails")
    func manyViolations() async throws {
        let run = try await DTQ.run("--seeds", "1..4", "--defect", "releasesBeforeDurable", "--json")
        #expect(run.status == 1)
        #expect(try (run.json()["violations"] as? Int ?? 0) > 0)
        for text in ["seed 2, commit ", "shrunk in ", "again: dtq simulate --seed 2 --defect releasesBeforeDurable"] {
            #expect(run.errors.contains(text))
        }
    }

    @Test(
        "Wrong usage is exit code 2",
        arguments: [
            ["--seeds", "9..1"], ["--seed", "1", "--seeds", "1..2"], ["--seed", "1", "--defect", "none"], [],
        ])
    func usage(arguments: [String]) async throws {
        let run = try await DTQ.run(arguments)
        #expect(run.status == 2)
        #expect(run.output.isEmpty)
    }
}
