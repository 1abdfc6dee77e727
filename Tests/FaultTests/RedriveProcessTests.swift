import DurableAMQP
import DurableBackend
import DurableCore
import DurableFaults
import Foundation
import Logging
import Testing

@Suite("Queues that were lost", .enabled(if: TestBroker.isThere), .serialized, .timeLimit(.minutes(10)))
struct RedriveProcessTests {
    @Test(
        "After queues were deleted, create and redrive bring every instance to its end",
        arguments: ["local", "replicated"])
    func everythingCompletes(_ log: String) async throws {
        let fleet = try Fleet(partitions: 2, log: log)
        for _ in 0..<2 { try fleet.startWorker("--slots", "1") }
        let lines = (0..<16).map {
            #"{"name":"\#(["LedgerSequence", "LedgerPaced"][$0 % 2])","id":"job-\#($0)","input":{"file":"#
                + #""\#(fleet.ledger.path)","steps":3,"milliseconds":300}}"#
        }
        try fleet.dtq("submit", "--batch", input: lines.joined(separator: "\n") + "\n")
        // Accepted by their owners: before that a start is nowhere but in its queue.
        try await eventually("all to run, some to be done") {
            try fleet.statuses()["running", default: 0] >= 14 && !fleet.runs().isEmpty
        }
        let hub = try #require(HubName(fleet.hub))
        let topology = HubTopology(hub: hub, partitionCount: 2, queueKind: .quorum)
        let transport = AMQPTransport(
            configuration: try AMQPConfiguration(urls: [try #require(TestBroker.url)], connectionName: "vandal"),
            logger: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() })
        let lost = topology.partitions.flatMap { partition in
            [HubTopology.Family.control, .query, .own, .wake].map { topology.queue($0, partition) }
        }
        try await transport.delete(queues: lost + [topology.workQueue("AppendLine")], exchanges: [])
        await transport.close()

        let refused = try fleet.run(["hub", "redrive", "--yes"])
        #expect(refused.status == 1)
        #expect(refused.errors.contains("dtq hub create"), "\(refused.errors)")
        try fleet.dtq("hub", "create")
        try await eventually("every owner to send again") {
            try fleet.run(["hub", "redrive", "--yes", "--json"]).status == 0
        }
        try await eventually("all to end") { try fleet.statuses() == ["completed": 16] }
        #expect(Set(fleet.runs().map(\.key)).count == 48)
    }
}
