package import DurableCore

/// Values for rules and tests: small, all different, the same on every run.
package enum SampleRecords {
    package static func epoch(_ offset: UInt64, generation: UInt32 = 1) -> Epoch {
        Epoch(generation: generation, offset: offset)
    }

    /// `milliseconds` after 2026-11-24T00:00:00Z.
    package static func time(_ milliseconds: Int64) -> Timestamp {
        Timestamp(millisecondsSinceEpoch: 1_795_478_400_000 + milliseconds)
    }

    package static func begin(_ epoch: Epoch) -> PartitionRecord.Begin {
        .init(epoch: epoch, worker: WorkerID("worker-\(epoch)"), time: time(Int64(epoch.offset)))
    }

    /// One record of each kind that follows a `begin`, then checkpoints.
    package static func records(_ count: Int, from first: Int = 0) -> [PartitionRecord] {
        (first..<first + count).map(record)
    }

    package static func record(_ number: Int) -> PartitionRecord {
        switch number {
        case 0: .outboxConfirmed([OutboxID(1), OutboxID(7)])
        case 1: .released(nextDue: time(5))
        case 2: .released(nextDue: nil)
        default: .checkpoint(checkpoint(number))
        }
    }

    /// An instance started, one activity scheduled, one message sent.
    package static func checkpoint(_ number: Int, payloadBytes: Int = 16) -> Checkpoint {
        let id = InstanceID("instance-\(number)")
        return Checkpoint(
            time: time(Int64(number)),
            changes: [
                InstanceChange(
                    instanceID: id, time: time(Int64(number)),
                    history: history(of: id, 0..<3, payloadBytes: payloadBytes),
                    appliedMessages: [MessageID("start-\(number)")],
                    scheduledTasks: [.init(taskID: EventID(0), dispatch: 1, outboxID: OutboxID(UInt64(number)))])
            ],
            outbox: [outboxTask(UInt64(number)), outboxMessage(UInt64(number) + 1)],
            outboxRemoved: [OutboxID(3)],
            applied: [Origin(partition: PartitionID(1), incarnation: 9, sequence: UInt64(number))])
    }

    /// Events `range` of a history whose event 0 is the start; each says its index in its time stamp.
    package static func history(of id: InstanceID, _ range: Range<Int>, payloadBytes: Int = 16) -> [HistoryEvent] {
        range.map { index in
            let payload = Payload([UInt8](repeating: UInt8(truncatingIfNeeded: index), count: payloadBytes))
            let kind: HistoryEvent.Kind =
                switch index {
                case 0: .orchestratorStarted
                case 1:
                    .executionStarted(
                        ExecutionStarted(
                            name: "Sample", input: payload, instanceID: id, executionID: ExecutionID("execution-\(id)"),
                            tags: [.init(key: "colour", value: "blue")]))
                case let index where index.isMultiple(of: 2):
                    .taskScheduled(name: "Activity\(index)", input: payload)
                default: .taskCompleted(taskID: EventID(Int32(index - 1)), result: payload)
                }
            return HistoryEvent(
                eventID: index > 1 && index.isMultiple(of: 2) ? EventID(Int32(index)) : .none,
                timestamp: time(Int64(index)), kind: kind)
        }
    }

    package static func outboxTask(_ id: UInt64, epoch: Epoch = epoch(1)) -> OutboxEntry {
        OutboxEntry(
            id: OutboxID(id), epoch: epoch,
            body: .task(
                TaskMessage(
                    instanceID: InstanceID("instance-\(id)"), executionID: ExecutionID("execution-\(id)"),
                    taskID: EventID(0), dispatch: 1, name: "Activity", input: Payload("\"\(id)\""))))
    }

    package static func outboxMessage(
        _ id: UInt64, epoch: Epoch = epoch(1), payloadBytes: Int? = nil
    ) -> OutboxEntry {
        OutboxEntry(
            id: OutboxID(id), epoch: epoch,
            body: .message(
                Message(
                    id: MessageID("message-\(id)"), instanceID: InstanceID("other-\(id)"),
                    origin: Origin(partition: PartitionID(0), incarnation: 9, sequence: id),
                    event: HistoryEvent(
                        timestamp: time(Int64(id)),
                        kind: .eventRaised(
                            name: "Ping",
                            input: payloadBytes.map { Payload([UInt8](repeating: 32, count: $0)) } ?? Payload("\(id)"))
                    ))))
    }

    /// - Parameters:
    ///   - created: Milliseconds for `time(_:)`.
    ///   - timer: When its one open timer is due, in milliseconds for `time(_:)`; nil: it has none.
    package static func instance(
        _ id: String, status: OrchestrationStatus = .running, name: String = "Sample", created: Int64 = 0,
        timer: Int64? = nil, hold: Hold? = nil, historyCount: Int = 0,
        tags: [String: String] = ["colour": "blue"], parent: String? = nil
    ) -> InstanceState {
        var state = InstanceState(
            start: ExecutionStarted(
                name: name, version: "2", instanceID: InstanceID(id), executionID: ExecutionID("execution-\(id)"),
                parent: parent.map {
                    .init(
                        taskID: EventID(0), name: "Parent", instanceID: InstanceID($0), executionID: ExecutionID("e"))
                }, tags: [ExecutionStarted.Tag](tags)),
            startID: MessageID("start-\(id)"), at: time(created))
        state.status = status
        state.hold = hold
        state.historyCount = historyCount
        state.appliedMessages = [MessageID("start-\(id)")]
        if let timer { state.openTimers = [EventID(4): time(timer), EventID(5): time(timer + 1000)] }
        if status.isTerminal {
            state.output = Payload("\"done\"")
        } else {
            state.openTasks = [EventID(0): .init(dispatch: 1, outboxID: OutboxID(1))]
            state.openChildren = [EventID(7): InstanceID("child")]
        }
        return state
    }
}
