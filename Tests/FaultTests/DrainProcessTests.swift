import DurableCore
import DurableFaults
import Foundation
import Testing

@Suite(
    "Drain of real worker processes on a real broker", .enabled(if: TestBroker.isThere), .serialized,
    .timeLimit(.minutes(10)))
struct DrainProcessTests {
    private func batch(_ count: Int, _ fleet: Fleet, kinds: [String], steps: Int, milliseconds: Int) -> String {
        (0..<count).map { number in
            #"{"name":"\#(kinds[number % kinds.count])","id":"job-\#(number)","input":"#
                + #"{"file":"\#(fleet.ledger.path)","steps":\#(steps),"milliseconds":\#(milliseconds)}}"#
        }.joined(separator: "\n") + "\n"
    }

    private func submit(_ name: String, _ fleet: Fleet, milliseconds: Int) throws {
        try fleet.dtq("submit", "--batch", input: batch(1, fleet, kinds: [name], steps: 1, milliseconds: milliseconds))
    }

    /// `dtq workers --json`, by process.
    private func heartbeats(_ fleet: Fleet) throws -> [Int32: [String: Any]] {
        let report = try JSONSerialization.jsonObject(with: Data(fleet.dtq("workers", "--json").utf8))
        var found: [Int32: [String: Any]] = [:]
        for case let worker as [String: Any] in ((report as? [String: Any])?["workers"] as? [Any]) ?? [] {
            let fields = (worker["worker"] as? String ?? "").split(separator: "-")
            if fields.count > 1, let process = Int32(fields[fields.count - 2]) { found[process] = worker }
        }
        return found
    }

    private func receipt(ofWorker index: Int, _ fleet: Fleet) throws -> [String: Any] {
        let text = fleet.output(ofWorker: index)
        #expect(text.split(separator: "\n").count == 1, "one line, got: \(text)")
        return try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any] ?? [:]
    }

    @Test("A rolling drain of three workers under load repeats no run")
    func rollingDrain() async throws {
        let fleet = try Fleet(partitions: 6)
        for _ in 0..<3 { try fleet.startWorker("--slots", "4") }
        let kinds = ["LedgerSequence", "LedgerFanOut", "LedgerPaced"]
        try fleet.dtq("submit", "--batch", input: batch(200, fleet, kinds: kinds, steps: 4, milliseconds: 100))
        for index in 0..<3 {
            let next = min(fleet.runs().count + 60, 700)
            try await eventually("some more work is done") { fleet.runs().count >= next }
            let leaver = fleet.workers[index]
            kill(leaver.processIdentifier, SIGTERM)
            leaver.waitUntilExit()
            #expect(leaver.terminationStatus == 0)
            #expect(try receipt(ofWorker: index, fleet)["cancelled"] as? Int == 0)
            try fleet.startWorker("--slots", "4")
        }
        try await eventually("all instances ended") { try fleet.statuses() == ["completed": 200] }
        let runs = fleet.runs()
        #expect(runs.count == 800)
        #expect(Set(runs.map(\.key)).count == 800)
    }

    @Test("dtq drain --all stops every worker, shows the receipts they print, and repeats no run")
    func drainAll() async throws {
        let fleet = try Fleet(partitions: 4)
        for _ in 0..<2 { try fleet.startWorker("--slots", "4") }
        try fleet.dtq(
            "submit", "--batch",
            input: batch(80, fleet, kinds: ["LedgerSequence", "LedgerFanOut"], steps: 3, milliseconds: 25))
        try await eventually("some work is done") { fleet.runs().count > 30 }
        let text = try fleet.dtq("drain", "--all", "--yes", "--json", "--grace", "60s")
        let report = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        let workers = report?["workers"] as? [[String: Any]] ?? []
        #expect(workers.count == 2)
        for (index, process) in fleet.workers.enumerated() {
            process.waitUntilExit()
            #expect(process.terminationStatus == 0)
            let entry = workers.first { ($0["worker"] as? String)?.contains("-\(process.processIdentifier)-") == true }
            let shown = entry?["receipt"] as? [String: Any]
            let printed = try receipt(ofWorker: index, fleet)
            for key in ["finished", "handed_over", "returned", "cancelled"] {
                #expect(shown?[key] as? Int == printed[key] as? Int, "\(key) in \(text)")
            }
            #expect(printed["cancelled"] as? Int == 0)
        }
        #expect(try heartbeats(fleet).isEmpty)
        try fleet.startWorker("--slots", "8")
        try await eventually("all instances ended") { try fleet.statuses() == ["completed": 80] }
        #expect(fleet.runs().count == 240)
        #expect(Set(fleet.runs().map(\.key)).count == 240)
    }

    @Test("A second signal ends the worker at once with 75")
    func secondSignal() async throws {
        let fleet = try Fleet(partitions: 1)
        let worker = try fleet.startWorker()
        try submit("LedgerSequence", fleet, milliseconds: 600_000)
        try await eventually("the activity to run") {
            try heartbeats(fleet)[worker.processIdentifier]?["busy"] as? Int == 1
        }
        kill(worker.processIdentifier, SIGTERM)
        try await eventually("the drain") {
            try heartbeats(fleet)[worker.processIdentifier]?["state"] as? String == "draining"
        }
        kill(worker.processIdentifier, SIGTERM)
        worker.waitUntilExit()
        #expect(worker.terminationStatus == 75)
        #expect(fleet.output(ofWorker: 0) == "")
    }

    @Test("What runs beyond the grace period is cancelled and runs once more elsewhere")
    func graceEnds() async throws {
        let fleet = try Fleet(partitions: 2)
        let leaver = try fleet.startWorker("--grace", "1")
        try submit("LedgerSequence", fleet, milliseconds: 6_000)
        try await eventually("the activity to run") {
            try heartbeats(fleet)[leaver.processIdentifier]?["busy"] as? Int == 1
        }
        let heir = try fleet.startWorker()
        try await eventually("another worker") {
            try heartbeats(fleet)[heir.processIdentifier]?["state"] as? String == "active"
        }
        kill(leaver.processIdentifier, SIGTERM)
        leaver.waitUntilExit()
        #expect(leaver.terminationStatus == 0)
        let receipt = try receipt(ofWorker: 0, fleet)
        #expect(receipt["cancelled"] as? Int == 1)
        #expect(receipt["finished"] as? Int == 0)
        try await eventually("the instance ended") { try fleet.statuses() == ["completed": 1] }
        #expect(fleet.runs().map(\.worker) == [heir.processIdentifier])
        #expect(fleet.runs().map(\.deliveryCount) == [2])
    }

    @Test("An activity that takes no notice of its cancellation ends with the process")
    func stubbornActivity() async throws {
        let fleet = try Fleet(partitions: 1)
        let worker = try fleet.startWorker()
        try submit("LedgerStubborn", fleet, milliseconds: 600_000)
        try await eventually("the activity to run") {
            try heartbeats(fleet)[worker.processIdentifier]?["busy"] as? Int == 1
        }
        try fleet.dtq("drain", "--all", "--yes", "--grace", "500ms")
        worker.waitUntilExit()
        #expect(worker.terminationStatus == 0)
        #expect(try receipt(ofWorker: 0, fleet)["cancelled"] as? Int == 1)
        #expect(fleet.runs().isEmpty)
    }

    @Test("With no worker left, dtq queues shows when a timer is due, and one message once it is")
    func dueTimerShows() async throws {
        let fleet = try Fleet(partitions: 1)
        try fleet.startWorker()
        try submit("LedgerPaced", fleet, milliseconds: 8_000)
        try await eventually("the first step") { fleet.runs().count == 1 }
        try await eventually("the timer") { try fleet.dtq("history", "job-0").contains("TimerCreated") }
        try fleet.dtq("drain", "--all", "--yes")
        func queues() throws -> (ready: Int?, nextDue: String?) {
            let report = try JSONSerialization.jsonObject(with: Data(fleet.dtq("queues", "--json").utf8))
            let queues = (report as? [String: Any])?["queues"] as? [[String: Any]] ?? []
            let partitions = (report as? [String: Any])?["partitions"] as? [[String: Any]] ?? []
            return (
                queues.first { $0["kind"] as? String == "control" }?["ready"] as? Int,
                partitions.first?["nextDue"] as? String
            )
        }
        let due = try #require(try queues().nextDue.flatMap { Timestamp(iso8601: $0) })
        try await eventually("the alarm") { try queues().ready == 1 }
        #expect(Int64(Date().timeIntervalSince1970 * 1000) >= due.millisecondsSinceEpoch)
        try fleet.startWorker()
        try await eventually("the instance ended") { try fleet.statuses() == ["completed": 1] }
    }
}
