import DurableCore
import DurableFaults
import Foundation
import Testing

@Suite(
    "Real worker processes on a real broker", .enabled(if: TestBroker.isThere), .serialized, .timeLimit(.minutes(10)))
struct WorkerProcessTests {
    private static let logs = ["local", "replicated"]
    private static let kinds = ["LedgerSequence", "LedgerFanOut", "LedgerPaced"]

    /// NDJSON of `count` instances of three kinds with three steps each.
    private func batch(_ count: Int, ledger: URL, milliseconds: Int) -> String {
        (0..<count).map { number in
            let kind = Self.kinds[number % 3]
            return #"{"name":"\#(kind)","id":"job-\#(number)","input":{"file":"\#(ledger.path)","steps":3,"#
                + #""milliseconds":\#(milliseconds)}}"#
        }.joined(separator: "\n") + "\n"
    }

    @Test("kill -9 of a worker in the middle loses nothing and repeats only what it was running", arguments: logs)
    func killLosesNothing(_ log: String) async throws {
        let fleet = try Fleet(partitions: 4, log: log)
        for _ in 0..<3 { try fleet.startWorker("--slots", "4") }
        try fleet.dtq("submit", "--batch", input: batch(90, ledger: fleet.ledger, milliseconds: 20))
        try await eventually("some work is done") { fleet.runs().count > 40 }
        let victim = fleet.workers[0]
        let owned = try fleet.partitions(of: victim)
        kill(victim.processIdentifier, SIGKILL)
        victim.waitUntilExit()
        try await eventually("all instances ended") { try fleet.statuses() == ["completed": 90] }

        let runs = fleet.runs()
        let byTask = Dictionary(grouping: runs, by: \.key)
        #expect(byTask.count == 270)
        for (task, runs) in byTask where runs.count > 1 {
            // Permitted: the broker delivered it again because the worker that had it died, or its owner died before
            // the dispatch was known to be confirmed.
            let isRedelivered = runs.contains { $0.deliveryCount > 1 || $0.worker == victim.processIdentifier }
            let isOwners = owned.contains(InstanceID(runs[0].instance).partition(of: 4))
            #expect(runs.count == 2 && (isRedelivered || isOwners), "\(task) ran \(runs.count) times unexplained")
        }
    }

    @Test("SIGTERM ends a worker in order: exit 0, a receipt, and no repeated run", arguments: logs)
    func terminationIsClean(_ log: String) async throws {
        let fleet = try Fleet(partitions: 4, log: log)
        for _ in 0..<2 { try fleet.startWorker("--slots", "4") }
        try fleet.dtq("submit", "--batch", input: batch(60, ledger: fleet.ledger, milliseconds: 20))
        try await eventually("some work is done") { fleet.runs().count > 30 }
        let leaver = fleet.workers[0]
        kill(leaver.processIdentifier, SIGTERM)
        leaver.waitUntilExit()
        #expect(leaver.terminationStatus == 0)
        let receipt = try JSONSerialization.jsonObject(with: Data(fleet.output(ofWorker: 0).utf8)) as? [String: Any]
        #expect(receipt?["cancelled"] as? Int == 0)
        try await eventually("all instances ended") { try fleet.statuses() == ["completed": 60] }
        let runs = fleet.runs()
        #expect(runs.count == 180)
        #expect(Set(runs.map(\.key)).count == 180)
    }

    @Test("A fleet that was killed whole goes on where it was", arguments: logs)
    func wholeFleetDies(_ log: String) async throws {
        let fleet = try Fleet(partitions: 2, log: log)
        try fleet.startWorker("--slots", "2")
        try fleet.dtq("submit", "--batch", input: batch(30, ledger: fleet.ledger, milliseconds: 20))
        try await eventually("some work is done") { fleet.runs().count > 15 }
        kill(fleet.workers[0].processIdentifier, SIGKILL)
        fleet.workers[0].waitUntilExit()
        try fleet.startWorker("--slots", "4")
        try await eventually("all instances ended") { try fleet.statuses() == ["completed": 30] }
        #expect(Set(fleet.runs().map(\.key)).count == 90)
    }

    @Test("A worker that was frozen until the broker gave it up starts nothing it was given before")
    func frozenWorkerStartsNothingOld() async throws {
        let fleet = try Fleet(partitions: 4, log: "replicated")
        let sleeper = try fleet.startWorker("--slots", "8")
        let other = try fleet.startWorker("--slots", "8")
        try await eventually("both to own partitions") {
            try !fleet.partitions(of: sleeper).isEmpty && !fleet.partitions(of: other).isEmpty
        }
        kill(sleeper.processIdentifier, SIGSTOP)
        // The other one's partitions give tasks to both: some wait in the sleeper's socket.
        try fleet.dtq("submit", "--batch", input: batch(30, ledger: fleet.ledger, milliseconds: 20))
        try await eventually("all instances ended") { (try? fleet.statuses()) == ["completed": 30] }
        kill(sleeper.processIdentifier, SIGCONT)
        try await eventually("the sleeper to notice") { fleet.output(ofWorker: 0, "err").contains("DTQ4005") }
        try await eventually("the sleeper to be back") { try !fleet.partitions(of: sleeper).isEmpty }
        let runs = LedgerRun.all(in: fleet.ledger)
        #expect(runs.count == 90)
        #expect(Set(runs.map(\.worker)) == [other.processIdentifier])
    }

    @Test("A damaged partition file stops its partition alone, and says what to do")
    func damagedFileStopsOnePartition() async throws {
        let fleet = try Fleet(partitions: 2)
        let file = fleet.directory.appendingPathComponent("data/partition-0.sqlite")
        try Data("this is not a database of ours".utf8).write(to: file)
        try fleet.startWorker()
        let names = (0..<8).map { "job-\($0)" }
        let healthy = names.filter { InstanceID($0).partition(of: 2) == PartitionID(1) }
        let lines = names.map {
            #"{"name":"LedgerSequence","id":"\#($0)","input":{"file":"\#(fleet.ledger.path)","steps":1,"milliseconds":0}}"#
        }
        try fleet.dtq("submit", "--batch", input: lines.joined(separator: "\n") + "\n")
        for id in healthy {
            try await eventually("\(id) to complete") { try fleet.run(["wait", id]).status == 0 }
        }
        try await eventually("the report") { fleet.output(ofWorker: 0, "err").contains("DTQ1004") }
        let report = fleet.output(ofWorker: 0, "err")
        #expect(report.contains("partition 0"), "\(report)")
        #expect(report.contains("ops/errors/DTQ1004.md"), "\(report)")
        #expect(try Data(contentsOf: file) == Data("this is not a database of ours".utf8))
        // What was sent to the stopped partition waits in its queue.
        let queues = try fleet.dtq("queues", "--json")
        #expect(queues.contains(#""partition":0"#), "\(queues)")
    }

    @Test("A worker on a hub that does not exist says so and exits 1")
    func missingHub() async throws {
        let fleet = try Fleet(partitions: 1)
        let process = Process()
        process.executableURL = Program.ledger.url
        process.arguments = ["--hub", "no-such-hub"]
        process.environment = fleet.environment
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 1)
        #expect(text.contains("DTQ1001"), "\(text)")
        #expect(text.contains("dtq hub create"), "\(text)")
    }
}
