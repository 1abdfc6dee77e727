import DurableCore
import DurableSchedules
import DurableSimulation
import DurableTask
import Testing

/// Rewinds, updates and schedules.
extension WorkloadHistoryTests {
    static let rewindings: [Case] = [
        Case("MendedSteps", says: "ExecutionRewound was asked for by nobody") { sample in
            sample.history[try sample.index("ExecutionRewound")].kind = .executionRewound(
                reason: Payload("\"nobody\""), count: 1)
        },
        Case("MendedSteps", says: "is rewound twice by one request") { sample in
            let index = try sample.index("ExecutionRewound")
            sample.history.insert(sample.history[index], at: index)
        },
        Case("MendedSteps", says: "is rewound for the 0. time after the 0.") { sample in
            let index = try sample.index("ExecutionRewound")
            guard case .executionRewound(let reason, _) = sample.history[index].kind else { return }
            sample.history[index].kind = .executionRewound(reason: reason, count: 0)
        },
        Case("Tally", says: "runs twice") { sample in
            let index = try sample.index("UpdateRequested")
            sample.history.insert(sample.history[index], at: index)
        },
        Case("Tally", says: "was asked for by nobody") { sample in
            let index = try sample.index("UpdateRequested")
            guard case .updateRequested(var request) = sample.history[index].kind else { return }
            request.input = nil
            sample.history[index].kind = .updateRequested(request)
        },
        Case("Tally", says: "ends, which does not run") { sample in
            sample.history.remove(at: try sample.index("UpdateRequested"))
        },
        Case("Tally", says: "all so far come to") { sample in
            let index = try #require(sample.history.firstIndex { $0.isSuccessOfUpdate })
            guard case .updateCompleted(let id, _, _) = sample.history[index].kind else { return }
            sample.history[index].kind = .updateCompleted(id: id, result: Payload("1000"), failure: nil)
        },
        Case("Tally", says: "all updates come to") { sample in
            sample.history.remove(at: try #require(sample.history.firstIndex { $0.isSuccessOfUpdate }))
        },
    ]

    static let schedules: [Case] = [
        Case(Schedules.orchestration.name, says: "Z 0 times") { sample in
            sample.history.remove(at: try sample.index("SubOrchestrationInstanceCreated"))
        },
        Case(Schedules.orchestration.name, says: "Z 2 times") { sample in
            let index = try sample.index("SubOrchestrationInstanceCreated")
            sample.history.insert(sample.history[index], at: index)
        },
        Case(Schedules.orchestration.name, says: "which is for none of its times") { sample in
            let index = try sample.index("SubOrchestrationInstanceCreated")
            guard case .subOrchestrationCreated(var run) = sample.history[index].kind else { return }
            run.instanceID = InstanceID("schedule:pulse/2000-01-01T00:00:00Z")
            sample.history[index].kind = .subOrchestrationCreated(run)
        },
    ]
}
