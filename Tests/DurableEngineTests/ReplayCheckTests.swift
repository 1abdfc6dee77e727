import Durable
import DurableBackend
import DurableClient
import DurableCore
import DurableEngine
import DurableJSON
import DurableMemory
import DurableTask
import DurableWorker
import Testing

@Suite("Histories of a hub, replayed on other code") struct ReplayCheckTests {
    private let work = Activity("Work") { (value: Int, _: ActivityContext) in value + 1 }

    /// - Parameter name: Of what it calls; the activity is one and the same.
    private func flow(_ way: @escaping @Sendable (OrchestrationContext) -> String) -> Orchestration<Int, Int> {
        Orchestration("Flow") { (value: Int, context: OrchestrationContext) in
            let result: Int = try await context.callActivity(way(context), value)
            try await context.waitForExternalEvent("go")
            return result
        }
    }

    private let other = Orchestration("Other") { (context: OrchestrationContext) in
        try await context.waitForExternalEvent("go")
    }

    /// Four that wait: two past their activity, one of "Other", one that has not begun; and one that was terminated.
    private func hub() async throws -> (hub: EngineHarness, worker: RunningWorker, client: HubClient) {
        let hub = try await EngineHarness(partitions: 2)
        let worker = try hub.startWorker("w1", [work, flow { _ in "Work" }, other])
        for id in ["a", "b", "ended"] { try await hub.start("Flow", id: id, input: "1") }
        for id in ["a", "b", "ended"] {
            try await hub.eventually("\(id) to wait") { try await hub.snapshot(id)?.historyCount == 5 }
        }
        try await hub.terminate("ended", message: "end")
        try await hub.wait(for: "ended", .terminated)
        try await hub.start("Other", id: "o")
        try await hub.wait(for: "o", .running)
        try await hub.start("Flow", id: "later", input: "1", startAt: hub.clock.now() + .seconds(86_400))
        try await hub.wait(for: "later", .pending)
        return (hub, worker, HubClient(descriptor: hub.descriptor, transport: hub.client, clock: hub.clock))
    }

    private static let open = ListFilter(statuses: [.running, .pending, .suspended])

    private func check(
        _ client: HubClient, of filter: ListFilter = open, limit: Int? = nil, on items: [any Registrable]
    ) async throws -> ReplayCheck {
        var registry = Registry()
        for item in items { try item.register(in: &registry) }
        var check = ReplayCheck(registry)
        try await check.check(client, filter, limit: limit)
        return check
    }

    @Test("Says which open instances diverge, where, and which have no code; changes nothing")
    func diverging() async throws {
        let (hub, worker, client) = try await hub()
        let before = try await hub.history("a")
        let check = try await check(client, on: [flow { _ in "Charge" }])
        #expect(!check.doesFit)
        #expect(check.fittingCount == 1)
        let failure = EpisodeFailure.nonDeterministic(
            position: 2, historyHolds: #"TaskScheduled "Work" (event ID 0)"#,
            codeAsked: #"activity "Charge" (event ID 0)"#)
        #expect(
            check.findings == [
                .init(id: InstanceID("a"), name: "Flow", failure: failure),
                .init(id: InstanceID("b"), name: "Flow", failure: failure),
                .init(id: InstanceID("o"), name: "Other", failure: nil),
            ])
        #expect(
            check.lines == [
                #"DTQ2003 instance a (Flow): replay diverged at event 2. History holds TaskScheduled "Work" (event ID 0); "#
                    + #"the code asked for activity "Charge" (event ID 0). See ops/errors/DTQ2003.md"#,
                #"DTQ2003 instance b (Flow): replay diverged at event 2. History holds TaskScheduled "Work" (event ID 0); "#
                    + #"the code asked for activity "Charge" (event ID 0). See ops/errors/DTQ2003.md"#,
                #"DTQ2005 instance o: this program has no orchestration "Other"; under it the instance would be held. "#
                    + "Register it, or keep a build running that has it. See ops/errors/DTQ2005.md",
                "Checked 4 instances: 1 fit, 2 diverge, 1 of orchestrations that this program does not have.",
            ])
        #expect(check.json["checked"] == .integer(4) && check.json["fit"] == .integer(1))
        guard case .array(let diverging)? = check.json["diverging"], case .array(let missing)? = check.json["missing"]
        else {
            Issue.record("no lists in \(check.json.text)")
            return
        }
        #expect(
            diverging.first == [
                "id": "a", "name": "Flow", "version": .null, "code": "DTQ2003", "position": 2,
                "historyHolds": #"TaskScheduled "Work" (event ID 0)"#, "codeAsked": #"activity "Charge" (event ID 0)"#,
                "text": .string(check.lines[0]),
            ])
        #expect(missing == [["id": "o", "name": "Other", "version": .null]])
        #expect(try await hub.history("a") == before)
        #expect(try await hub.snapshot("a")?.holdCode == nil)
        try await worker.stop()
    }

    @Test("The same code fits, and so does a change behind a patch; what was terminated fits too")
    func fitting() async throws {
        let (_, worker, client) = try await hub()
        for way: @Sendable (OrchestrationContext) -> String in [
            { _ in "Work" }, { $0.isPatched("charge") ? "Charge" : "Work" },
        ] {
            let check = try await check(client, on: [flow(way), other])
            #expect(check.doesFit && check.fittingCount == 4)
            #expect(check.lines == ["Checked 4 instances: 4 fit, 0 diverge."])
        }
        let all = try await check(client, of: ListFilter(), on: [flow { _ in "Work" }, other])
        #expect(all.doesFit && all.fittingCount == 5)
        try await worker.stop()
    }

    @Test("Checks those asked for alone: by name, and the oldest up to a limit") func selection() async throws {
        let (_, worker, client) = try await hub()
        let named = try await check(
            client, of: ListFilter(statuses: [.running], name: "Flow"), on: [flow { _ in "Charge" }])
        #expect(Set(named.findings.map(\.id)) == [InstanceID("a"), InstanceID("b")])
        let limited = try await check(client, limit: 1, on: [flow { _ in "Charge" }])
        #expect(limited.findings.map(\.id) == [InstanceID("a")] && limited.fittingCount == 0)
        try await worker.stop()
    }

    @Test("Code that awaits what is not durable is found out") func notDurable() async throws {
        let (_, worker, client) = try await hub()
        let sleeping = Orchestration("Flow") { (_: Int, _: OrchestrationContext) -> Int in
            try await Task.sleep(for: .seconds(3600))
            return 1
        }
        let check = try await check(client, of: ListFilter(statuses: [.running]), on: [sleeping, other])
        #expect(check.findings.map(\.failure?.code) == ["DTQ2001", "DTQ2001"])
        #expect(check.lines[0].hasPrefix("DTQ2001 instance a (Flow): its code awaited something that is not durable"))
        try await worker.stop()
    }
}
