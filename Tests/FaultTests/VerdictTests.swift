import DurableCore
import DurableFaults
import Foundation
import Testing

@Suite("Verdicts on runs with faults") struct VerdictTests {
    private static let instance = InstanceID("job-0")

    private func time(_ milliseconds: Int64) -> Timestamp { Timestamp(millisecondsSinceEpoch: milliseconds) }

    private func run(
        worker: Int32, began: Int64, ended: Int64?, delivery: Int = 1, task: Int = 0
    ) -> LedgerRun {
        LedgerRun(
            instance: Self.instance.value, task: "\(task)", deliveryCount: delivery, worker: worker,
            began: time(began), ended: ended.map(time), idempotencyKey: "job-0/x/\(task)")
    }

    /// One instance that asked for one activity at 100 and ended; its partition belonged to worker 1, then to 2.
    private func evidence(_ runs: [LedgerRun], _ injections: [Injection]) -> Evidence {
        var evidence = Evidence(partitionCount: 1)
        evidence.accepted = [Self.instance]
        evidence.steps = [Self.instance: 1]
        evidence.histories[Self.instance] = [
            HistoryEvent(
                eventID: EventID(0), timestamp: time(100), kind: .taskScheduled(name: "AppendLine", input: nil)),
            HistoryEvent(timestamp: time(900), kind: .taskCompleted(taskID: EventID(0), result: nil)),
            HistoryEvent(
                eventID: EventID(1), timestamp: time(900),
                kind: .executionCompleted(status: .completed, result: nil, failure: nil)),
        ]
        evidence.runs = runs
        evidence.tenures = [
            Tenure(
                partition: PartitionID(0), worker: 1, epoch: Epoch(generation: 1, offset: 1), serving: time(0)),
            Tenure(
                partition: PartitionID(0), worker: 2, epoch: Epoch(generation: 1, offset: 2), serving: time(250)),
        ]
        evidence.injections = injections
        return evidence
    }

    @Test("A run that nothing disturbed is good")
    func good() {
        let verdict = Verdict(judging: evidence([run(worker: 3, began: 110, ended: 150)], []))
        #expect(verdict.isGood)
        #expect(verdict.completed == 1)
        #expect(verdict.repeats.isEmpty)
    }

    @Test("A second delivery is owed to a fault of the worker that had the first")
    func deliveredAgain() {
        let runs = [run(worker: 3, began: 110, ended: nil), run(worker: 2, began: 300, ended: 350, delivery: 2)]
        let killed = Verdict(judging: evidence(runs, [Injection(.killed, worker: 3, from: time(200))]))
        #expect(killed.repeats.map(\.reason) == ["delivered again: worker 3 was killed"])
        for injections in [
            [], [Injection(.killed, worker: 2, from: time(200))], [Injection(.killed, worker: 3, from: time(90))],
            [Injection(.killed, worker: 3, from: time(310))], [Injection(.brokerBlocked, worker: nil, from: time(200))],
            [Injection(.copyDeleted, worker: nil, from: time(200))],
        ] {
            #expect(Verdict(judging: evidence(runs, injections)).unexplainedRepeats == 1)
        }
    }

    @Test("A second dispatch is owed to a fault of the partition's owner between the first one and the run")
    func sentAgain() {
        let runs = [run(worker: 3, began: 110, ended: 400), run(worker: 2, began: 300, ended: 350)]
        let killed = Verdict(judging: evidence(runs, [Injection(.killed, worker: 1, from: time(200))]))
        #expect(killed.repeats.map(\.reason) == ["sent again: worker 1, owner of partition 0, was killed"])
        let log = """
            1970-01-01T00:00:00.200Z warning dtq.worker: [DurableAMQP] DTQ4005 the broker has not answered a publish for 3.0 seconds.
            1970-01-01T00:00:00.200Z warning dtq.worker: [DurableAMQP] DTQ4005 connection to publish lost
            """
        let unanswered = WorkerLog.unanswered(in: log, worker: 1)
        #expect(unanswered.count == 1)
        #expect(
            Verdict(judging: evidence(runs, unanswered)).repeats.map(\.reason)
                == ["sent again: worker 1, owner of partition 0, was not answered by the broker"])
        for injections in [
            [], [Injection(.killed, worker: 1, from: time(50))], [Injection(.killed, worker: 3, from: time(200))],
            [Injection(.killed, worker: 2, from: time(200))],
        ] {
            #expect(Verdict(judging: evidence(runs, injections)).unexplainedRepeats == 1)
        }
    }

    @Test("A worker that was frozen may run late what it had been given")
    func runLate() {
        let runs = [run(worker: 3, began: 110, ended: 150), run(worker: 4, began: 300, ended: 350)]
        let frozen = Injection(.frozen, worker: 4, from: time(105), to: time(310))
        #expect(Verdict(judging: evidence(runs, [frozen])).repeats.map(\.reason) == ["run late: worker 4 was frozen"])
    }

    @Test("An instance without an end, without history, or with an end but no run of its activity is lost")
    func lost() {
        var open = evidence([run(worker: 3, began: 110, ended: 150)], [])
        open.histories[Self.instance]?.removeLast()
        #expect(Verdict(judging: open).lost == [Self.instance])
        var gone = open
        gone.histories = [:]
        #expect(Verdict(judging: gone).lost == [Self.instance])
        #expect(!Verdict(judging: gone).strayRuns.isEmpty)
        #expect(Verdict(judging: evidence([run(worker: 3, began: 110, ended: nil)], [])).lost == [Self.instance])
        var short = evidence([run(worker: 3, began: 110, ended: 150)], [])
        short.steps[Self.instance] = 2
        #expect(Verdict(judging: short).lost == [Self.instance])
    }

    @Test("A result or an end that a history holds twice is doubled, a run it does not ask for a stray")
    func doubled() {
        var evidence = evidence(
            [run(worker: 3, began: 110, ended: 150), run(worker: 3, began: 1, ended: 2, task: 7)], [])
        let history = evidence.histories[Self.instance] ?? []
        evidence.histories[Self.instance] = history + history.dropFirst()
        let verdict = Verdict(judging: evidence)
        #expect(verdict.doubled.count == 2)
        #expect(verdict.strayRuns.map(\.task) == ["7"])
        #expect(!verdict.isGood)
    }

    @Test("Takeovers and hand-overs are told apart, by the workers' logs")
    func timing() {
        let log = """
            1970-01-01T00:00:00.010Z info dtq.worker: epoch=1.1 held=0 partition=0 position=5 [DurableEngine] serving the partition
            1970-01-01T00:00:00.200Z info dtq.worker: epoch=1.1 idleMilliseconds=20 partition=0 [DurableEngine] released the partition
            """
        var evidence = evidence([], [])
        evidence.tenures = WorkerLog.tenures(in: log, worker: 1)
        #expect(evidence.tenures.map(\.idle) == [.milliseconds(20)])
        for (number, serving) in [(2, 230), (3, 700)] {
            evidence.tenures.append(
                Tenure(
                    partition: PartitionID(0), worker: Int32(number),
                    epoch: Epoch(generation: 1, offset: UInt64(number)), serving: time(Int64(serving))))
        }
        evidence.injections = [Injection(.killed, worker: 2, from: time(500))]
        let timing = Timing(of: evidence, from: time(0), until: time(1000))
        #expect(timing.handovers == [.milliseconds(50)])
        #expect(timing.takeovers == [.milliseconds(200)])
        #expect(timing.unserved == 0)
    }

    @Test("A ledger pairs the lines of each run")
    func ledger() throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("dtq-ledger-\(UUID()).tsv")
        defer { try? FileManager.default.removeItem(at: file) }
        let lines = [
            "began\tjob-0\t0\t1\t7\t10\t\tstep-0\tjob-0/x/0", "began\tjob-0\t1\t1\t7\t11\t\tstep-1\tjob-0/x/1",
            "ended\tjob-0\t1\t1\t7\t11\t31\tstep-1\tjob-0/x/1", "began\tjob-0\t0\t2\t8\t40\t\tstep-0\tjob-0/x/0",
            "ended\tjob-0\t0\t2\t8\t40\t60\tstep-0\tjob-0/x/0",
        ]
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: file)
        let runs = LedgerRun.all(in: file)
        #expect(runs.map(\.worker) == [7, 7, 8])
        #expect(runs.map { $0.ended?.millisecondsSinceEpoch } == [nil, 31, 60])
        #expect(LedgerRun.ended(in: file).map(\.key) == ["job-0/1", "job-0/0"])
    }
}
