import DurableFaults
import Foundation
import Testing

@Suite("replay-check, in processes of its own", .serialized, .timeLimit(.minutes(10))) struct ReplayCheckProcessTests {
    /// Of an instance of "LedgerSequence" that waits for its first step.
    private func history(of orchestration: String = "LedgerSequence", calls activity: String) -> String {
        #"""
        {"id":"job-1","events":[
        {"index":0,"time":"2026-11-24T09:30:00.000Z","type":"OrchestratorStarted","eventID":null},
        {"index":1,"time":"2026-11-24T09:30:00.000Z","type":"ExecutionStarted","eventID":null,"name":"\#(orchestration)",
         "inputBytes":44,"input":{"file":"/nowhere","steps":3,"milliseconds":1},"execution":"e-1"},
        {"index":2,"time":"2026-11-24T09:30:00.000Z","type":"TaskScheduled","eventID":0,"name":"\#(activity)",
         "inputBytes":2,"input":{}}
        ]}
        """#
    }

    private func run(_ arguments: [String]) throws -> (status: Int32, output: String, errors: String) {
        let process = Process()
        process.executableURL = Program.ledger.url
        process.arguments = arguments
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let errorText = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text, errorText)
    }

    @Test("Exit 0 when all histories fit, 1 when one does not, 2 on wrong usage; results on standard output")
    func files() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("dtq-replay-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        func file(_ name: String, _ text: String) throws -> String {
            let file = directory.appendingPathComponent(name)
            try Data(text.utf8).write(to: file)
            return file.path
        }
        let good = try file("good.json", history(calls: "AppendLine"))
        let bad = try file("bad.json", history(calls: "Other"))
        let strange = try file("strange.json", history(of: "Strange", calls: "Other"))
        let broken = try file("broken.json", "{}")

        let fits = try run(["replay-check", "--file", good])
        #expect(fits.status == 0)
        #expect(fits.output == "Checked 1 instance: 1 fit, 0 diverge.\n")

        let diverges = try run(["replay-check", "--file", good, "--file", bad, "--file", strange])
        #expect(diverges.status == 1)
        #expect(
            diverges.output == #"""
                DTQ2003 instance job-1 (LedgerSequence): replay diverged at event 2. History holds TaskScheduled "Other" \#
                (event ID 0); the code asked for activity "AppendLine" (event ID 0). See ops/errors/DTQ2003.md
                DTQ2005 instance job-1: this program has no orchestration "Strange"; with it alone the instance would be held. \#
                Register it, or keep a build running that has it. See ops/errors/DTQ2005.md
                Checked 3 instances: 1 fit, 1 diverges, 1 of orchestrations that this program does not have.

                """#)

        let json = try run(["replay-check", "--json", "--file", bad])
        #expect(json.status == 1)
        #expect(json.output.hasPrefix(#"{"checked":1,"fit":0,"diverging":[{"id":"job-1","name":"LedgerSequence","#))

        for wrong in [
            ["replay-check", "--file", broken], ["replay-check", "--file", directory.path + "/none"],
            ["replay-check", "--file", good, "--limit", "2"], ["replay-check", "--status", "odd"],
            ["replay-check", "--limit", "0"], ["--embedded", directory.path, "replay-check"],
        ] {
            let result = try run(wrong)
            #expect(result.status == 2, "\(wrong): \(result.errors)")
            #expect(result.output.isEmpty && !result.errors.isEmpty)
        }
        let help = try run(["--help"])
        #expect(help.status == 0 && help.output.contains("replay-check"))
    }
}
