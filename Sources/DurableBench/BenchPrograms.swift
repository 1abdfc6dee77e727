import DurableCore
import DurableTask
import DurableWire

/// Counts activity runs of all workers in this process.
final class Tally: Sendable {
    private let count = PlatformLock(0)
    func add() { count.withLock { $0 += 1 } }
    var value: Int { count.withLock { $0 } }
}

/// Input of orchestrations and activities: 200 bytes as JSON.
struct BenchJob: Codable, Sendable {
    var steps: Int
    var filler: String

    static let encodedBytes = 200

    init(steps: Int) {
        self.steps = steps
        filler = ""
        filler = String(repeating: "x", count: max(0, Self.encodedBytes - json.utf8.count))
    }

    var json: String { #"{"filler":"\#(filler)","steps":\#(steps)}"# }
}

/// What the workers run: as little as an orchestration can do.
enum BenchPrograms {
    static let activity = "BenchStep"
    static let event = "go"

    static func registry(_ tally: Tally) throws -> Registry {
        let step = Activity(activity) { (job: BenchJob, _: ActivityContext) in
            tally.add()
            return job.steps
        }
        let sequence = Orchestration(BenchKind.sequence.rawValue) { (job: BenchJob, context: OrchestrationContext) in
            for _ in 0..<job.steps { _ = try await context.callActivity(step, job) }
            return job.steps
        }
        let fanOut = Orchestration(BenchKind.fanout.rawValue) { (job: BenchJob, context: OrchestrationContext) in
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<job.steps { group.addTask { try await context.callActivity(step, job) } }
                return try await group.reduce(into: 0) { count, _ in count += 1 }
            }
        }
        let waiting = Orchestration(BenchKind.waiting.rawValue) { (_: BenchJob, context: OrchestrationContext) in
            try await context.waitForExternalEvent(event)
        }
        let resting = Orchestration(BenchKind.recovery.rawValue) { (job: BenchJob, context: OrchestrationContext) in
            if job.steps.isMultiple(of: 2) { try await context.sleep(for: .seconds(86_400)) }
            try await context.waitForExternalEvent(event)
        }
        return try Registry(step, sequence, fanOut, waiting, resting)
    }

    /// A task of the sequence as it stands in a work queue: what the raw broker carries.
    static let taskMessage: [UInt8] = task(0).wireBytes

    /// What one episode in the middle of `instances` sequences saves: a result taken, the next activity asked for.
    static func checkpoint(instances: Int, at time: Timestamp, epoch: Epoch) -> PartitionRecord {
        var checkpoint = Checkpoint(time: time)
        for number in 0..<instances {
            let task = task(number)
            let outboxID = OutboxID(UInt64(number) + 1)
            checkpoint.changes.append(
                InstanceChange(
                    instanceID: task.instanceID, time: time,
                    history: [
                        HistoryEvent(timestamp: time, kind: .orchestratorStarted),
                        HistoryEvent(timestamp: time, kind: .taskCompleted(taskID: EventID(0), result: Payload("3"))),
                        HistoryEvent(
                            eventID: EventID(1), timestamp: time,
                            kind: .taskScheduled(name: task.name, input: task.input)),
                    ],
                    scheduledTasks: [.init(taskID: EventID(1), dispatch: 1, outboxID: outboxID)]))
            checkpoint.outbox.append(OutboxEntry(id: outboxID, epoch: epoch, body: .task(task)))
        }
        return .checkpoint(checkpoint)
    }

    private static func task(_ number: Int) -> TaskMessage {
        TaskMessage(
            instanceID: InstanceID("r1-\(number)"), executionID: ExecutionID("b3e4f7a0-7f43-4c8e-9d05-2f6d6f6a1c55"),
            taskID: EventID(1), dispatch: 1, name: activity, input: Payload(BenchJob(steps: 3).json))
    }
}
