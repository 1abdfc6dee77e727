import DurableFaults
import Foundation
import Testing

/// Each example that has a `run` says itself whether its result is right, whatever is killed in the middle.
@Suite("Examples, in processes of their own", .serialized, .timeLimit(.minutes(10))) struct ExampleProcessTests {
    static let names = [
        "hello-cities", "word-count", "approval", "ledger", "order-saga", "monitor", "fan-out", "nightly-schedule",
        "counter", "bank-transfer",
        "video-pipeline",
    ]

    @Test("An example's result is right", arguments: Self.names)
    func example(name: String) throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = [
            root.appendingPathComponent("examples/\(name)/run").path,
            Program.ledger.url.deletingLastPathComponent().path,
        ]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(text.suffix(2000))")
    }
}
