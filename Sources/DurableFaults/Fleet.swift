package import DurableCore
package import Foundation

/// The built programs, next to the running one or its test bundle.
package enum Program: String {
    case dtq
    case ledger

    package var url: URL {
        URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
            .appendingPathComponent(rawValue)
    }
}

/// A build of the workers' program.
package struct Build: Sendable {
    package var name: String
    package var program: URL

    package static let present = Build(name: "present", program: Program.ledger.url)
    /// The one `DTQ_FAULTS_PREVIOUS` names; without it the present one once more, by another name.
    package static let previous = Build(
        name: "previous",
        program: ProcessInfo.processInfo.environment["DTQ_FAULTS_PREVIOUS"].map { URL(fileURLWithPath: $0) }
            ?? Program.ledger.url)
}

/// A hub of its own with worker processes, in a directory that goes with it.
package final class Fleet {
    package let hub = "test-" + UUID().uuidString.prefix(8).lowercased()
    package let directory: URL
    /// All that were started, in order of start.
    package private(set) var workers: [Process] = []
    package let ledger: URL
    private let broker: String
    private var isEnded = false

    /// - Parameters:
    ///   - broker: URLs as `--broker` takes them.
    ///   - log: `local`: all workers share one directory; `replicated`: each has copies of its own.
    package init(broker: String, partitions: Int, log: String, below parent: URL? = nil) throws {
        self.broker = broker
        directory = (parent ?? FileManager.default.temporaryDirectory).appendingPathComponent("dtq-\(hub)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        ledger = directory.appendingPathComponent("ledger.tsv")
        if log == "local" {
            try dtq("hub", "create", "--partitions", "\(partitions)", "--data", directory.path + "/data")
        } else {
            try dtq("hub", "create", "--partitions", "\(partitions)", "--log", log)
        }
    }

    deinit { end() }

    /// Ends all workers, stopped ones too, and removes the hub and the directory. Idempotent.
    package func end() {
        if isEnded { return }
        isEnded = true
        endWorkers()
        _ = try? run(["hub", "delete", "--yes", "--force"])
        try? FileManager.default.removeItem(at: directory)
    }

    package func endWorkers() {
        for worker in workers where worker.isRunning {
            kill(worker.processIdentifier, SIGKILL)
            worker.waitUntilExit()
        }
    }

    package var environment: [String: String] {
        var environment = ProcessInfo.processInfo.environment
        environment["DTQ_BROKER"] = broker
        environment["DTQ_HUB"] = hub
        environment["XDG_STATE_HOME"] = directory.path + "/state"
        // Printing where a worker trapped takes longer than the rest of some tests.
        environment["SWIFT_BACKTRACE"] = "enable=no"
        return environment
    }

    /// Starts one more worker; its output goes to files in the directory.
    @discardableResult
    package func startWorker(_ arguments: String...) throws -> Process { try startWorker(arguments) }

    /// - Parameters:
    ///   - broker: Other URLs than the fleet's.
    ///   - build: Another one than this.
    package func startWorker(_ arguments: [String], broker: String? = nil, build: Build = .present) throws -> Process {
        let process = Process()
        process.executableURL = build.program
        process.arguments = arguments
        process.environment = environment
        if let broker { process.environment?["DTQ_BROKER"] = broker }
        process.environment?["DTQ_BUILD"] = build.name
        let name = directory.appendingPathComponent("worker-\(workers.count)")
        for (suffix, assign) in [
            (".out", { process.standardOutput = $0 }), (".err", { process.standardError = $0 }),
        ] as [(String, (FileHandle) -> Void)] {
            let file = name.path + suffix
            _ = FileManager.default.createFile(atPath: file, contents: nil)
            assign(try FileHandle(forWritingTo: URL(fileURLWithPath: file)))
        }
        try process.runWithSignals()
        workers.append(process)
        return process
    }

    package func output(ofWorker index: Int, _ suffix: String = "out") -> String {
        (try? String(contentsOf: directory.appendingPathComponent("worker-\(index).\(suffix)"), encoding: .utf8)) ?? ""
    }

    /// Runs `dtq` and returns what it printed; anything but exit 0 fails the test.
    @discardableResult
    package func dtq(_ arguments: String..., input: String? = nil) throws -> String {
        let (status, output, errors) = try run(arguments, input: input)
        if status != 0 {
            throw CommandFailed(text: "dtq \(arguments.joined(separator: " ")) exited \(status): \(errors)\(output)")
        }
        return output
    }

    package func run(_ arguments: [String], input: String? = nil) throws -> (
        status: Int32, output: String, errors: String
    ) {
        let process = Process()
        process.executableURL = Program.dtq.url
        process.arguments = arguments
        process.environment = environment
        let output = Pipe()
        let errors = Pipe()
        let standardInput = Pipe()
        process.standardOutput = output
        process.standardError = errors
        process.standardInput = standardInput
        try process.runWithSignals()
        standardInput.fileHandleForWriting.write(Data((input ?? "").utf8))
        try standardInput.fileHandleForWriting.close()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let errorText = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text, errorText)
    }

    /// Runs that ended, in the order in which they did.
    package func runs() -> [LedgerRun] { LedgerRun.ended(in: ledger) }

    /// Instances by status, as `dtq list` has them.
    package func statuses() throws -> [String: Int] {
        var counts: [String: Int] = [:]
        let text = try dtq("list", "--json", "--limit", "10000")
        let list = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        for case let instance as [String: Any] in (list?["instances"] as? [Any]) ?? [] {
            counts[instance["status"] as? String ?? "?", default: 0] += 1
        }
        return counts
    }

    /// What the workers say of themselves just now. One that has died is among them for some time.
    package func reports() throws -> [WorkerReport] {
        let text = try dtq("workers", "--json", "--partitions")
        return try JSONDecoder().decode(WorkerReport.List.self, from: Data(text.utf8)).workers
    }

    /// What a worker owns just now, by its own word.
    package func partitions(of worker: Process) throws -> Set<PartitionID> {
        Set(try reports().first { $0.isOf(worker) }?.partitions.map { PartitionID($0.partition) } ?? [])
    }

    package struct CommandFailed: Error, CustomStringConvertible {
        package var text: String
        package var description: String { text }
        package init(text: String) { self.text = text }
    }
}

/// A worker as `dtq workers --json` has it.
package struct WorkerReport: Decodable, Sendable {
    fileprivate struct List: Decodable {
        var workers: [WorkerReport]
    }

    package struct Partition: Decodable, Sendable {
        package var partition: Int
        package var heldInstances: Int
    }

    package var worker: String
    package var partitions: [Partition]
    package var standBy: [Int]?

    package func isOf(_ process: Process) -> Bool { worker.contains("-\(process.processIdentifier)-") }
}

/// Polls until `condition` holds; throws after `limit`, which is long because machines are slow.
package func eventually(
    within limit: Duration = .seconds(120), _ what: String, _ condition: () async throws -> Bool
) async throws {
    let clock = ContinuousClock()
    let deadline = clock.now + limit
    while try await !condition() {
        if clock.now > deadline { throw Fleet.CommandFailed(text: "waited \(limit) in vain for: \(what)") }
        try await clock.sleep(for: .milliseconds(50))
    }
}
