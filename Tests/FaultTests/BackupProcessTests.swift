import DurableAMQP
import DurableBackend
import DurableCore
import DurableFaults
import Foundation
import Logging
import Testing

@Suite("Backups and lost queues with work under way", .enabled(if: TestBroker.isThere), .serialized)
struct BackupProcessTests {
    private static let letters = 15

    /// A sender and a receiver for each two partitions of four, one in either.
    private let pairs: [(sender: String, receiver: String)] = {
        func id(_ prefix: String, in index: Int) -> String {
            (0...).lazy.map { "\(prefix)-\($0)" }.first { InstanceID($0).partition(of: 4) == PartitionID(index) } ?? ""
        }
        return (0..<4).flatMap { from in
            (0..<4).filter { $0 != from }.map { (id("s\(from)\($0)", in: from), id("r\(from)\($0)", in: $0)) }
        }
    }()

    /// Sequences with activities, durable timers, and pairs of instances that send each other events.
    private func submitWork(_ fleet: Fleet) throws {
        var lines: [String] = []
        for number in 0..<8 {
            let name = ["LedgerSequence", "LedgerPaced"][number % 2]
            lines.append(
                #"{"name":"\#(name)","id":"job-\#(number)","input":{"file":"\#(fleet.ledger.path)","steps":4,"#
                    + #""milliseconds":300}}"#)
        }
        for pair in pairs {
            lines.append(#"{"name":"LedgerReceiver","id":"\#(pair.receiver)","input":\#(Self.letters)}"#)
        }
        try fleet.dtq("submit", "--batch", input: lines.joined(separator: "\n") + "\n")
        lines = pairs.map {
            #"{"name":"LedgerSender","id":"\#($0.sender)","input":{"to":"\#($0.receiver)","#
                + #""count":\#(Self.letters),"milliseconds":200}}"#
        }
        try fleet.dtq("submit", "--batch", input: lines.joined(separator: "\n") + "\n")
    }

    private var instanceCount: Int { 8 + 2 * pairs.count }

    /// What receivers got, as text.
    private func output(of id: String, _ fleet: Fleet, hub: String) throws -> String {
        try fleet.run(["wait", id, "--hub", hub, "--timeout", "60s"]).output
            .filter { !$0.isWhitespace }
    }

    private var allLetters: String { "[" + (0..<Self.letters).map(String.init).joined(separator: ",") + "]" }

    private func historyLength(of id: String, _ fleet: Fleet) throws -> Int {
        let text = try fleet.run(["history", id, "--json"]).output
        return text.components(separatedBy: "EventRaised").count - 1
    }

    @Test(
        "A backup taken in the middle of everything, restored under another name, brings all of it to its end",
        arguments: ["replicated", "local"])
    func backupInTheMiddle(_ log: String) async throws {
        let fleet = try Fleet(partitions: 4, log: log)
        let copy = fleet.hub + "-copy"
        defer { _ = try? fleet.run(["hub", "delete", "--hub", copy, "--yes", "--force", "--activity", "AppendLine"]) }
        for _ in 0..<2 { try fleet.startWorker("--slots", "4") }
        try submitWork(fleet)
        try await eventually("events to flow") { try historyLength(of: pairs[0].receiver, fleet) >= 3 }
        let file = fleet.directory.path + "/backup"
        let text = try fleet.dtq("hub", "backup", file, "--json")
        let summary = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        // Files cannot be read as they were a moment ago; so little load lets them agree all the same.
        #expect(summary["consistent"] as? Bool == true, "\(text)")
        let backups = FileManager.default.contentsOfDirectory(below: fleet.directory).filter { $0.hasPrefix("backup") }
        #expect(backups == ["backup"])
        // The old fleet is gone in the middle of it.
        fleet.endWorkers()

        let data = log == "local" ? ["--data", fleet.directory.path + "/copy"] : []
        let restore = try fleet.run(["hub", "restore", file, "--hub", copy, "--json"] + data)
        #expect(restore.status == 0, "\(restore.errors)")
        #expect(try fleet.run(["hub", "restore", file, "--hub", copy]).status == 1)
        #expect(try fleet.run(["hub", "verify", "--hub", copy]).status == 0)
        for _ in 0..<2 { _ = try fleet.startWorker(["--hub", copy, "--slots", "4"]) }
        try await eventually("all of the copy to end") {
            let list = try fleet.run(["list", "--hub", copy, "--json", "--limit", "100"]).output
            return list.components(separatedBy: #""status":"completed""#).count - 1 == instanceCount
        }
        for pair in pairs {
            #expect(try output(of: pair.receiver, fleet, hub: copy) == allLetters)
        }
        #expect(Set(fleet.runs().map(\.key)).count == 32)
        // The copy takes new work.
        let more = try fleet.run([
            "submit", "LedgerPaced", "--hub", copy, "--input",
            #"{"file":"\#(fleet.ledger.path)","steps":1,"milliseconds":0}"#, "--wait",
        ])
        #expect(more.status == 0, "\(more.errors)")
    }

    @Test("Events that a queue lost after their confirm come back with a redrive")
    func purgedQueues() async throws {
        let fleet = try Fleet(partitions: 4, log: "replicated")
        for _ in 0..<2 { try fleet.startWorker("--slots", "4") }
        try submitWork(fleet)
        let hub = try #require(HubName(fleet.hub))
        let topology = HubTopology(hub: hub, partitionCount: 4, queueKind: .quorum)
        try await eventually("events to flow") { try historyLength(of: pairs[0].receiver, fleet) >= 2 }
        let transport = AMQPTransport(
            configuration: try AMQPConfiguration(urls: [try #require(TestBroker.url)], connectionName: "vandal"),
            logger: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() })
        // What goes to the partitions of one that stands still waits in their queues when it and the other have ended.
        kill(fleet.workers[0].processIdentifier, SIGSTOP)
        try await Task.sleep(for: .seconds(1))
        for worker in fleet.workers.reversed() { kill(worker.processIdentifier, SIGKILL) }
        fleet.endWorkers()
        var lost = 0
        try await eventually("the queues to have what was under way") {
            for partition in topology.partitions {
                let queue = topology.queue(.control, partition)
                lost += try await transport.get(queue: queue, count: 1000, peek: false)
                    .count { $0.properties.type == "EventRaised" }
            }
            return lost >= 3
        }
        await transport.close()
        try fleet.startWorker("--slots", "4")
        try await eventually("every owner to send again") {
            try fleet.run(["hub", "redrive", "--yes", "--json"]).status == 0
        }
        try await eventually("all to end") { try fleet.statuses() == ["completed": instanceCount] }
        for pair in pairs {
            #expect(try output(of: pair.receiver, fleet, hub: fleet.hub) == allLetters)
        }
    }
}

extension FileManager {
    fileprivate func contentsOfDirectory(below url: URL) -> [String] {
        ((try? contentsOfDirectory(atPath: url.path)) ?? []).sorted()
    }
}
