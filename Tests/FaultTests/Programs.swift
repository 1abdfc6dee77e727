import DurableCore
import Foundation
import Testing

/// The broker that `ops/test` started; tests that need one are skipped without it.
enum TestBroker {
    static let url = ProcessInfo.processInfo.environment["DTQ_TEST_AMQP_URL"]
    static var isThere: Bool { url != nil }
}

/// The built programs, next to the test bundle.
enum Program: String {
    case dtq
    case ledger

    var url: URL {
        URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
            .appendingPathComponent(rawValue)
    }
}

/// A hub of its own with worker processes, in a directory that goes with it.
final class Fleet {
    let hub = "test-" + UUID().uuidString.prefix(8).lowercased()
    let directory: URL
    private(set) var workers: [Process] = []
    let ledger: URL

    /// - Parameter log: `local`: all workers share one directory; `replicated`: each has copies of its own.
    init(partitions: Int, log: String = "local") throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("dtq-\(hub)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        ledger = directory.appendingPathComponent("ledger.tsv")
        if log == "local" {
            try dtq("hub", "create", "--partitions", "\(partitions)", "--data", directory.path + "/data")
        } else {
            try dtq("hub", "create", "--partitions", "\(partitions)", "--log", log)
        }
    }

    deinit {
        for worker in workers where worker.isRunning {
            kill(worker.processIdentifier, SIGKILL)
            worker.waitUntilExit()
        }
        _ = try? run(["hub", "delete", "--yes", "--force"])
        try? FileManager.default.removeItem(at: directory)
    }

    var environment: [String: String] {
        var environment = ProcessInfo.processInfo.environment
        environment["DTQ_BROKER"] = TestBroker.url
        environment["DTQ_HUB"] = hub
        environment["XDG_STATE_HOME"] = directory.path + "/state"
        // Printing where a worker trapped takes longer than the rest of some tests.
        environment["SWIFT_BACKTRACE"] = "enable=no"
        return environment
    }

    /// Starts one more worker; its output goes to files in the directory.
    @discardableResult
    func startWorker(_ arguments: String...) throws -> Process {
        let process = Process()
        process.executableURL = Program.ledger.url
        process.arguments = arguments
        process.environment = environment
        let name = directory.appendingPathComponent("worker-\(workers.count)")
        for (suffix, assign) in [
            (".out", { process.standardOutput = $0 }), (".err", { process.standardError = $0 }),
        ] as [(String, (FileHandle) -> Void)] {
            let file = name.path + suffix
            _ = FileManager.default.createFile(atPath: file, contents: nil)
            assign(try FileHandle(forWritingTo: URL(fileURLWithPath: file)))
        }
        try process.run()
        workers.append(process)
        return process
    }

    func output(ofWorker index: Int, _ suffix: String = "out") -> String {
        (try? String(contentsOf: directory.appendingPathComponent("worker-\(index).\(suffix)"), encoding: .utf8)) ?? ""
    }

    /// Runs `dtq` and returns what it printed; anything but exit 0 fails the test.
    @discardableResult
    func dtq(_ arguments: String..., input: String? = nil) throws -> String {
        let (status, output, errors) = try run(arguments, input: input)
        if status != 0 {
            throw CommandFailed(text: "dtq \(arguments.joined(separator: " ")) exited \(status): \(errors)\(output)")
        }
        return output
    }

    func run(_ arguments: [String], input: String? = nil) throws -> (status: Int32, output: String, errors: String) {
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
        try process.run()
        standardInput.fileHandleForWriting.write(Data((input ?? "").utf8))
        try standardInput.fileHandleForWriting.close()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let errorText = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text, errorText)
    }

    /// Lines of the ledger: one a run that ended.
    func runs() -> [LedgerRun] {
        let text = (try? String(contentsOf: ledger, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").compactMap { LedgerRun(String($0)) }
    }

    /// Instances by status, as `dtq list` has them.
    func statuses() throws -> [String: Int] {
        var counts: [String: Int] = [:]
        let text = try dtq("list", "--json", "--limit", "10000")
        let list = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        for case let instance as [String: Any] in (list?["instances"] as? [Any]) ?? [] {
            counts[instance["status"] as? String ?? "?", default: 0] += 1
        }
        return counts
    }

    /// What a worker owns just now, by its own word.
    func partitions(of worker: Process) throws -> Set<PartitionID> {
        let text = try dtq("workers", "--json")
        let report = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        for case let entry as [String: Any] in (report?["workers"] as? [Any]) ?? []
        where (entry["worker"] as? String)?.contains("-\(worker.processIdentifier)-") == true {
            let owned = (entry["partitions"] as? [[String: Any]]) ?? []
            return Set(owned.compactMap { $0["partition"] as? Int }.map { PartitionID($0) })
        }
        throw CommandFailed(text: "worker \(worker.processIdentifier) did not answer: \(text)")
    }

    struct CommandFailed: Error, CustomStringConvertible {
        var text: String
        var description: String { text }
    }
}

struct LedgerRun {
    var instance: String
    var task: String
    var deliveryCount: Int
    var worker: Int32

    init?(_ line: String) {
        let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
        guard fields.count == 7, let count = Int(fields[2]), let worker = Int32(fields[3]) else { return nil }
        instance = fields[0]
        task = fields[1]
        deliveryCount = count
        self.worker = worker
    }

    var key: String { instance + "/" + task }
}

/// Polls until `condition` holds; fails the test after `limit`, which is long because machines are slow.
func eventually(
    within limit: Duration = .seconds(120), _ what: String, _ condition: () async throws -> Bool
) async throws {
    let clock = ContinuousClock()
    let deadline = clock.now + limit
    while try await !condition() {
        if clock.now > deadline { throw Fleet.CommandFailed(text: "waited \(limit) in vain for: \(what)") }
        try await clock.sleep(for: .milliseconds(50))
    }
}
