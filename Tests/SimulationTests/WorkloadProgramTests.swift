import DurableCore
import DurableSimulation
import DurableTask
import Testing

@Suite("Programs of the workload") struct WorkloadProgramTests {
    /// Notes what activities tell it.
    final class Witness: ProgramServices {
        struct Notes {
            var began: [ActivityRun] = []
            var ended: [ActivityRun] = []
            var worked: [Duration] = []
        }
        let notes = PlatformLock(Notes())
        func began(_ run: ActivityRun) async -> Int {
            notes.withLock { notes in
                notes.began.append(run)
                return notes.began.count { $0.taskID == run.taskID }
            }
        }
        func ended(_ run: ActivityRun) async { notes.withLock { $0.ended.append(run) } }
        func trap(_ id: InstanceID) {}
        func work(for duration: Duration) async { notes.withLock { $0.worked.append(duration) } }
    }

    @Test("Every variant registers what it should") func variants() {
        let original = Programs.replayRegistry()
        #expect(Programs.replayRegistry(variant: .compatible).activityNames.count == original.activityNames.count + 1)
        #expect(Programs.replayRegistry(variant: .divergent).orchestrationNames == original.orchestrationNames)
        let left = original.orchestrationNames.filter { $0 != Programs.missing }
        #expect(Programs.replayRegistry(variant: .missing).orchestrationNames == left)
        #expect(left.count == original.orchestrationNames.count - 1)
        #expect(Programs.divergent.allSatisfy(original.orchestrationNames.contains))
    }

    @Test("An activity run twice tells of both runs and gives what checks expect", arguments: [false, true])
    func activities(isCompatible: Bool) async throws {
        let witness = Witness()
        var registry = Registry()
        Programs.register(in: &registry, services: witness, variant: isCompatible ? .compatible : .original)
        let sample = try WorkloadSample.find("UncaughtFailure")
        for (index, event) in sample.history.enumerated() {
            guard case .taskScheduled(let name, let input) = event.kind else { continue }
            let activity = try #require(registry.activity(named: name))
            for delivery in 1...2 {
                let context = ActivityContext(
                    name: name, instanceID: sample.instance.id, executionID: ExecutionID("e"), taskID: event.eventID,
                    deliveryCount: delivery)
                let result = await activity.run(input: input, context: context)
                #expect(result == SimulatedActivities.named(name)?.result(input, event.eventID), "event \(index)")
            }
        }
        let notes = witness.notes.withLock { $0 }
        #expect(notes.began.map(\.number) == [1, 2, 3, 4])
        #expect(notes.began.map(\.deliveryCount) == [1, 2, 1, 2])
        #expect(notes.began.map(\.name) == ["Echo", "Echo", "Broken", "Broken"])
        #expect(notes.ended == notes.began)
        #expect(notes.worked.count == 4)
    }

    @Test(
        "Divergent code runs what is new as the original does, and replay of it is found out",
        arguments: Programs.divergent)
    func divergence(program: String) throws {
        let sample = try WorkloadSample.find(program) { $0.snapshot.status == .completed }
        let start = try #require(sample.history.executionStarted)
        let divergent = HistoryReplay(
            sample.history, of: start, programs: Programs.replayRegistry(variant: .divergent))
        #expect(divergent.violations.count == 1)
        #expect(divergent.violations.first?.contains("replay of") == true, "\(divergent.violations)")
        let compatible = HistoryReplay(
            sample.history, of: start, programs: Programs.replayRegistry(variant: .compatible))
        #expect(compatible.violations == [])
    }

    @Test("Histories from before and after a patch fit the original; code without it is found out by its marker")
    func patches() throws {
        let sample = try WorkloadSample.find("Patched") { $0.snapshot.status == .completed }
        let start = try #require(sample.history.executionStarted)
        let old = Programs.replayRegistry(variant: .divergent)
        var hub = WorkloadHub(sample.workload, seed: 1, registry: old)
        hub.run()
        let before = try #require(hub.histories[sample.instance.id]?.last)
        #expect(sample.history.contains { $0.typeName == "PatchRecorded" })
        #expect(!before.contains { $0.typeName == "PatchRecorded" })
        for history in [sample.history, before] {
            for variant in [CodeVariant.original, .compatible] {
                let programs = Programs.replayRegistry(variant: variant)
                #expect(HistoryReplay(history, of: start, programs: programs).violations == [])
            }
        }
        #expect(HistoryReplay(before, of: start, programs: old).violations == [])
        #expect(HistoryReplay(sample.history, of: start, programs: old).violations.count == 1)
    }

    @Test("Outcomes other than the expected are told") func expectations() throws {
        let sample = try WorkloadSample.find("Sequence") { $0.snapshot.status == .completed }
        let id = sample.instance.id
        let expectation = sample.instance.expectation
        func says(_ text: String, _ change: (inout InstanceSnapshot) -> Void) {
            var snapshot = sample.snapshot
            change(&snapshot)
            let violations = expectation.violations(of: id, snapshot: snapshot)
            #expect(violations.contains { $0.contains(text) }, "\(violations)")
        }
        #expect(expectation.violations(of: id, snapshot: sample.snapshot) == [])
        #expect(expectation.violations(of: id, snapshot: nil) == ["\(id): is not there"])
        says("completed with 7, expected completed with") { $0.output = Payload("7") }
        says("failed with Oops: no, expected") {
            $0.status = .failed
            $0.failure = FailureDetails(errorType: "Oops", message: "no")
        }
        says("terminated with") { $0.status = .terminated }
        says("is suspended, which nobody asked for") { $0.status = .suspended }
        says("open (running, 2 open tasks, 0 open timers, 1 events in its inbox, held with DTQ2003: why)") {
            $0.status = .running
            $0.openTaskCount = 2
            $0.inboxCount = 1
            $0.holdCode = "DTQ2003"
            $0.holdText = "why"
        }
        says("ended with 1 open timers") { $0.openTimerCount = 1 }
        #expect(Expectation([.absent]).violations(of: id, snapshot: nil) == [])
        var open = sample.snapshot
        open.status = .running
        #expect(Expectation([.open]).violations(of: id, snapshot: open) == [])
        open.openTaskCount = 1
        #expect(Expectation([.open]).violations(of: id, snapshot: open) == ["\(id): stays open with 1 open tasks"])
        #expect(Expectation([.absent]).violations(of: id, snapshot: open).count == 1)
    }

    @Test("A snapshot other than its history is told") func agreement() throws {
        let sample = try WorkloadSample.find("CustomStatus")
        func says(_ text: String?, _ change: (inout InstanceSnapshot, inout [HistoryEvent]) -> Void) {
            var snapshots = [sample.instance.id: sample.snapshot]
            var histories = [sample.instance.id: sample.history]
            change(&snapshots[sample.instance.id]!, &histories[sample.instance.id]!)
            let workload = Workload(
                instances: [sample.instance], operations: sample.workload.operations, partitionCount: 4)
            let violations = WorkloadChecks.violations(
                of: workload, snapshots: snapshots, histories: histories.mapValues { [$0] })
            #expect(
                text.map { text in violations.contains { $0.contains(text) } } ?? violations.isEmpty, "\(violations)")
        }
        says(nil) { _, _ in }
        says("counts 1 events") { snapshot, _ in snapshot.historyCount = 1 }
        says("its history ends as completed") { snapshot, _ in snapshot.status = .failed }
        says("has an output other than its history") { snapshot, _ in snapshot.output = nil }
        says("has a failure other than its history") { snapshot, _ in
            snapshot.failure = FailureDetails(errorType: "Oops", message: "no")
        }
        says("its history has no end") { _, history in history.removeLast() }
        says("has an execution ID other than its history") { snapshot, _ in snapshot.executionID = ExecutionID("x") }
        says("shows a custom status other than its code set") { snapshot, _ in snapshot.customStatus = Payload("1") }
    }

    @Test("What nobody started is told") func strangers() throws {
        let sample = try WorkloadSample.find("CustomStatus")
        let empty = Workload(instances: [], operations: [], partitionCount: 4)
        let violations = WorkloadChecks.violations(
            of: empty, snapshots: [sample.instance.id: sample.snapshot], histories: [:])
        #expect(violations == ["\(sample.instance.id): is there, but nobody started it"])
        var absent = sample.instance
        absent.expectation = Expectation([.absent])
        let ghost = WorkloadChecks.violations(
            of: Workload(instances: [absent], operations: [], partitionCount: 4), snapshots: [:],
            histories: [absent.id: [sample.history]])
        #expect(ghost == ["\(absent.id): has a history without being there"])
    }
}
