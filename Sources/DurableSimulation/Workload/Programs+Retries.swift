import DurableCore
import DurableTask

extension Programs {
    /// What is tried again, and what is undone.
    package static let recoveries: [Program] = [
        policyRetry, retriedBranches, retriedChild, sagaProgram, cancelledSaga,
    ]

    /// A retry policy as data.
    struct Patience: Codable, Sendable {
        var attempts: Int
        var firstMilliseconds: Int
        var coefficient: Double
        var capMilliseconds: Int
        var jitter: Double

        var policy: RetryPolicy {
            RetryPolicy(
                maximumAttempts: attempts, firstInterval: .milliseconds(firstMilliseconds),
                backoffCoefficient: coefficient, maximumInterval: .milliseconds(capMilliseconds), jitter: jitter)
        }

        static func draw(_ draft: inout WorkloadDraft, attempts: Int) -> Self {
            let first = draft.int(1...1500)
            return Patience(
                attempts: attempts, firstMilliseconds: first, coefficient: [1, 1.5, 2, 3][draft.int(0...3)],
                capMilliseconds: first + draft.int(0...3000), jitter: [0, 0.3, 1][draft.int(0...2)])
        }
    }

    struct Persistence: Codable, Sendable {
        var label: String
        var patience: Patience
        /// Event IDs from which on the activity succeeds, one for each branch.
        var succeedsFrom: [Int]
        var milliseconds: Int
    }

    /// Where attempts are requests 0, 2, 4 and so on: with pauses between them and nothing beside.
    static func request(ofAttempt number: Int) -> EventID { EventID(Int32(2 * (number - 1))) }

    /// One activity until it succeeds or the policy gives up.
    static let policyRetry = Program("PolicyRetry") { _ in
        [
            Orchestration("PolicyRetry") { (order: Persistence, context: OrchestrationContext) -> String in
                try await context.flaky(order, branch: 0)
            }
        ]
    } plan: { draft in
        let (needed, allowed) = (draft.int(1...5), draft.int(1...5))
        let order = Persistence(
            label: "order", patience: .draw(&draft, attempts: allowed),
            succeedsFrom: [Int(request(ofAttempt: needed).value)], milliseconds: draft.work())
        if needed <= allowed {
            draft.add("PolicyRetry", input: json(order), outcomes: [.completed(json("order done"))])
        } else {
            let declined = SimulatedActivities.Declined(label: "order", attempt: 0)
            let failure = ActivityFailure(
                activityName: SimulatedActivities.flaky.name, taskID: request(ofAttempt: allowed),
                details: FailureDetails(describing: declined))
            draft.add(
                "PolicyRetry", input: json(order), outcomes: [.failed(FailureDetails(describing: failure))])
        }
    }

    /// Several at once, one of which never succeeds and is cancelled when the others are done, during an attempt or
    /// between two. Which of their requests get which IDs depends on the order of what comes back, and so does the
    /// jitter of their pauses.
    private static let retriedBranches = Program("RetriedBranches") { _ in
        [
            Orchestration("RetriedBranches") { (order: Persistence, context: OrchestrationContext) -> [String] in
                try await withThrowingTaskGroup(of: String?.self) { group in
                    for branch in order.succeedsFrom.indices {
                        group.addTask { try await context.flaky(order, branch: branch) }
                    }
                    group.addTask {
                        do {
                            return try await context.flaky(order, branch: nil)
                        } catch is CancellationError { return nil }
                    }
                    var answers: [String] = []
                    while answers.count < order.succeedsFrom.count, let answer = try await group.next() {
                        if let answer { answers.append(answer) }
                    }
                    group.cancelAll()
                    return answers
                }
            }
        ]
    } plan: { draft in
        let branches = draft.int(1...4)
        let order = Persistence(
            label: "part", patience: .draw(&draft, attempts: .max),
            succeedsFrom: (0..<branches).map { _ in draft.int(0...12) }, milliseconds: draft.work())
        draft.add(
            "RetriedBranches", input: json(order),
            outcomes: [.completed(json(Array(repeating: "part done", count: branches)))])
    }

    struct Errand: Codable, Sendable {
        var id: InstanceID?
        var patience: Patience
        /// The child that does not fail.
        var succeedsAs: InstanceID
        var milliseconds: Int
    }

    /// A child until one succeeds or the policy gives up.
    private static let retriedChild = Program("RetriedChild") { _ in
        [
            Orchestration("RetriedChild") { (errand: Errand, context: OrchestrationContext) -> String in
                try await context.callSubOrchestration(
                    "RetriedPart", errand, instanceID: errand.id, retry: errand.patience.policy)
            },
            Orchestration("RetriedPart") { (errand: Errand, context: OrchestrationContext) -> String in
                let answer = try await context.echo("ran", milliseconds: errand.milliseconds)
                if context.instanceID != errand.succeedsAs { throw Refusal(label: "part") }
                return answer
            },
        ]
    } plan: { draft in
        let (needed, allowed) = (draft.int(1...4), draft.int(1...4))
        let parent = draft.newID("errand")
        let given = draft.chance(0.5) ? draft.newID("part") : nil
        func child(_ attempt: Int) -> InstanceID {
            guard let given else { return InstanceID("\(parent).start:\(request(ofAttempt: attempt))") }
            return attempt == 1 ? given : InstanceID("\(given):attempt-\(attempt)")
        }
        let errand = Errand(
            id: given, patience: .draw(&draft, attempts: allowed), succeedsAs: child(needed),
            milliseconds: draft.work())
        let refusal = FailureDetails(describing: Refusal(label: "part"))
        let last = min(needed, allowed)
        let failure = SubOrchestrationFailure(
            orchestrationName: "RetriedPart", instanceID: child(last), taskID: request(ofAttempt: last),
            details: refusal)
        let (index, _) = draft.add(
            "RetriedChild", id: parent, input: json(errand), isIndependent: false,
            outcomes: needed <= allowed
                ? [.completed(json("ran"))] : [.failed(FailureDetails(describing: failure))])
        for attempt in 1...last {
            _ = draft.addChild(
                "RetriedChild", orchestration: "RetriedPart", id: child(attempt), of: draft.instances[index],
                event: Int(request(ofAttempt: attempt).value), input: json(errand),
                outcomes: attempt == needed ? [.completed(json("ran"))] : [.failed(refusal)])
        }
    }
}

extension OrchestrationContext {
    /// - Parameter branch: nil: one that never succeeds.
    fileprivate func flaky(_ order: Programs.Persistence, branch: Int?) async throws -> String {
        try await callActivity(
            SimulatedActivities.flaky.name,
            SimulatedActivities.Attempt(
                label: order.label, number: 0, succeedsAt: 1, milliseconds: order.milliseconds,
                succeedsFrom: branch.map { order.succeedsFrom[$0] } ?? .max),
            retry: order.patience.policy)
    }
}
