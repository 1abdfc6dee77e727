import DurableCore
import DurableFaults
import Foundation
import Testing

@Suite(
    "Orchestrations that end real worker processes", .enabled(if: TestBroker.isThere), .serialized,
    .timeLimit(.minutes(10)))
struct PoisonProcessTests {
    @Test("The instance ends held, its neighbours complete, the fleet stays up", arguments: ["local", "replicated"])
    func fatalErrorIsHeld(_ log: String) async throws {
        let fleet = try Fleet(partitions: 2, log: log)
        for _ in 0..<3 { try fleet.startWorker("--slots", "4") }
        var lines = (0..<12).map {
            #"{"name":"LedgerSequence","id":"job-\#($0)","input":{"file":"\#(fleet.ledger.path)","steps":2,"#
                + #""milliseconds":10}}"#
        }
        lines.insert(#"{"name":"LedgerFatal","id":"poison"}"#, at: 6)
        try fleet.dtq("submit", "--batch", input: lines.joined(separator: "\n") + "\n")
        // As a service manager would: whoever dies is started again.
        var restarts = 0
        func supervise() throws {
            let alive = fleet.workers.count(where: \.isRunning)
            for _ in alive..<3 {
                try fleet.startWorker("--slots", "4")
                restarts += 1
            }
        }
        try await eventually("the hold") {
            try supervise()
            let (status, output, _) = try fleet.run(["status", "poison", "--json"])
            return status == 0 && output.contains(#""code":"DTQ2008""#)
        }
        try await eventually("all neighbours ended") {
            try supervise()
            return try fleet.statuses()["completed"] == 12
        }
        let deaths = fleet.workers.count { !$0.isRunning }
        #expect(deaths == 4, "one death that nobody knows of, and three attempts")
        let doctor = try fleet.run(["doctor"])
        #expect(doctor.status == 1)
        #expect(doctor.output.contains("poison (DTQ2008)"), "\(doctor.output)")
        // New work goes on, and nobody dies of the old.
        try fleet.dtq(
            "submit", "LedgerSequence", "--id", "later", "--wait", "--input",
            #"{"file":"\#(fleet.ledger.path)","steps":1,"milliseconds":0}"#)
        #expect(fleet.workers.count { !$0.isRunning } == deaths)
        try fleet.dtq("terminate", "poison", "--yes")
        try await eventually("the end") { try fleet.statuses()["terminated"] == 1 }
    }
}
