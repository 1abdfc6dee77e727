import DurableFaults
import Foundation
import Testing

@Suite("Examples, in processes of their own", .serialized) struct ExampleProcessTests {
    @Test("Orders that cannot be fulfilled are called off, and the books are right, whatever is killed in the middle")
    func orderSaga() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = [
            root.appendingPathComponent("examples/order-saga/run").path,
            Program.ledger.url.deletingLastPathComponent().path,
        ]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(text.suffix(2000))")
        #expect(text.contains("the books are right"))
    }
}
