import DurableBackend
import DurableCore

extension PartitionProcessor {
    /// Keeps how far activities have come, and says which of them are still wanted.
    ///
    /// What is not wanted will not be completed, so that this must not be said by an owner that was superseded and has
    /// not seen who asked for it: a record in the log, of after the question came, proves that it was not.
    ///
    /// - Parameter asked: The log's end when the question was taken.
    func takeHeartbeats(
        _ heartbeats: [TaskHeartbeat], asked: LogPosition
    ) async throws(PartitionEnd) -> QueryAnswer {
        var batch = newBatch(at: parts.clock.now())
        var wanted: [QueryAnswer.OpenTaskDetails] = []
        var unwanted: Set<TaskKey> = []
        for heartbeat in heartbeats {
            guard let entry = try entry(for: heartbeat.task.instanceID),
                let task = entry.state.openTask(heartbeat.task)
            else {
                unwanted.insert(heartbeat.task)
                continue
            }
            if let details = heartbeat.details, details.count <= TaskHeartbeat.detailsLimit {
                let change = InstanceChange(
                    instanceID: entry.state.id, time: entry.state.time(at: batch.now),
                    heartbeats: [.init(taskID: heartbeat.task.taskID, details: details)])
                fold(change, into: entry)
                batch.note(change, of: entry)
            }
            wanted.append(.init(task: heartbeat.task, details: heartbeat.details == nil ? task.details : nil))
        }
        // Whoever asked will not run them, so that no late result does this.
        settleOutbox(of: unwanted, in: &batch)
        if !batch.touched.isEmpty || !batch.outboxRemoved.isEmpty { try await save(batch) }
        if !unwanted.isEmpty, position == asked { try await append([.delivered([])]) }
        return .tasks(wanted)
    }
}
