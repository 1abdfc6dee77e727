import DurableFaults
import Foundation
import Testing

@Suite("The embedded mode, in processes of its own", .serialized, .timeLimit(.minutes(10))) struct EmbeddedProcessTests
{
    private func program(_ directory: URL, _ jobs: URL) throws -> (process: Process, output: Pipe) {
        let process = Process()
        process.executableURL = Program.ledger.url
        process.arguments = [
            "--embedded", directory.appendingPathComponent("hub").path, "--submit", jobs.path, "--slots", "4",
        ]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        return (process, output)
    }

    @Test("kill -9 in the middle and a second start complete everything, without a broker")
    func restartCompletes() async throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("dtq-embedded-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let ledger = directory.appendingPathComponent("ledger")
        let jobs = directory.appendingPathComponent("jobs.ndjson")
        let kinds = ["LedgerSequence", "LedgerFanOut", "LedgerPaced"]
        let lines = (0..<30).map {
            #"{"name":"\#(kinds[$0 % 3])","id":"job-\#($0)","input":{"file":"\#(ledger.path)","steps":4,"milliseconds":20}}"#
        }
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: jobs)
        func runs() -> [LedgerRun] { LedgerRun.ended(in: ledger) }

        let first = try program(directory, jobs)
        try await eventually("half of the work") { runs().count >= 50 || !first.process.isRunning }
        kill(first.process.processIdentifier, SIGKILL)
        first.process.waitUntilExit()

        let second = try program(directory, jobs)
        let text = String(decoding: second.output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        second.process.waitUntilExit()
        #expect(second.process.terminationStatus == 0)
        #expect(text.split(separator: "\n").count { $0.contains(#""status":"completed""#) } == 30)
        #expect(Set(runs().map(\.key)).count == 120)
    }
}
