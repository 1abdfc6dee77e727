import Foundation

/// A worker in a process of its own: it can be killed. It ends in order when its standard input does, so that none is
/// left when this process ends.
final class WorkerProcess: @unchecked Sendable {  // used by one task at a time
    private let process = Process()
    private let input = Pipe()

    init(program: String, arguments: [String]) throws {
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardInput = input
        try process.run()
    }

    /// Hands its partition over and waits for the end.
    func stop() async throws {
        try input.fileHandleForWriting.close()
        while process.isRunning { try await Task.sleep(for: .milliseconds(10)) }
    }

    func kill() {
        if process.isRunning { Foundation.kill(process.processIdentifier, SIGKILL) }
    }
}
