import DurableCore

/// A deliberate mistake in the engine. The simulation turns one on to prove that its checkers see it; nothing else may.
package enum EngineDefect: String, CaseIterable, Sendable {
    /// Deliveries are acknowledged when they arrive, before what they caused is durable.
    case acknowledgesBeforeCheckpoint
    /// Messages go out before the checkpoint that holds them is durable.
    case releasesBeforeDurable
    /// A message of another partition is applied each time it arrives.
    case appliesDuplicates
    /// A client's message is applied each time it arrives.
    case appliesClientDuplicates
    /// A message above a gap is applied at once; what closes the gap counts as a repeat.
    case skipsGaps
    /// A completion is taken for any open task of that number, whichever execution or dispatch it answers.
    case matchesCompletionsByTaskAlone
    /// A child's answer is taken for any open child of that number, whichever execution asked for it.
    case matchesAnswersByTaskAlone
    /// What an earlier epoch left unconfirmed is not sent again.
    case forgetsOutboxAtRecovery
    /// Tasks of earlier epochs are sent again before the marker, although their completions may be queued.
    case ignoresMarker
    /// Timers that an earlier epoch set are not loaded.
    case forgetsTimersAtRecovery
    /// A checkpoint is appended as two records, one after the other.
    case splitsCheckpoints
    /// The instances in memory outlive their epoch.
    case keepsCacheAfterFencing
    /// Records of the log that the store does not have are not folded in.
    case skipsLogAtRecovery
    /// The store is filled without the sequences that were applied.
    case flushesWithoutDeduplication
    /// Confirmations are dropped instead of logged.
    case forgetsConfirmations
    /// Evicted code is rebuilt without the last event of its history.
    case replaysTooLittle
    /// Evicted code is rebuilt without being told of the patches in its history.
    case forgetsPatches
    /// A task is acknowledged before the broker has its completion.
    case acknowledgesTasksAtOnce
    /// A drain acknowledges the tasks it did not start.
    case drainDropsTasks
    /// What is appended while a snapshot is written is not in the stream that begins with it.
    case losesAppendsInRenewal
    /// What has ended is left out of snapshots without being written to the archive.
    case losesEndedInRenewal
    /// An instance that the tables do not have is taken for a new one, although it may be in the archive.
    case forgetsArchive
    /// A snapshot of the journal does not say which streams the logs are in.
    case forgetsStreamsInJournal
    /// A rewound instance's activities are dispatched under the number of their first dispatch.
    case rewindsWithOldDispatches
    /// What code waited for when it failed, and what it had given up, is not asked for again when it is rewound.
    case rewindForgetsOpen
    /// A rewound instance's activities that have completed before are dispatched once more.
    case rewindRepeatsCompleted
    /// A rewind is acknowledged, and not carried out.
    case losesRewinds
    /// A request to rewind what has not failed is not remembered: a repeat of it rewinds what fails later.
    case forgetsRefusedRewinds
    /// A repeated request for an update that has ended is taken for a new one.
    case runsUpdatesTwice
    /// An update that its validator refuses runs all the same.
    case runsRefusedUpdates
    /// The request for an update is acknowledged, and not kept.
    case losesUpdates
}

extension PartitionProcessor {
    /// The message as a defect would have it.
    func defective(_ message: Message, for entry: InstanceEntry?) -> Message {
        var message = message
        switch message.event.kind {
        case .taskCompleted(let taskID, _), .taskFailed(let taskID, _):
            if has(.matchesCompletionsByTaskAlone), let task = entry?.state.openTasks[taskID] {
                message.executionID = entry?.state.executionID
                message.dispatch = task.dispatch
            }
        case .subOrchestrationCompleted(let taskID, _), .subOrchestrationFailed(let taskID, _):
            if has(.matchesAnswersByTaskAlone), let state = entry?.state, state.openChildren[taskID] != nil {
                message.executionID = state.executionID
                message.dispatch = state.rewindCount
            }
        case .eventRaised:
            // Both ways of recognising repeats are out of order: by sequence and by message ID.
            if has(message.origin == nil ? .appliesClientDuplicates : .appliesDuplicates) {
                message.id = MessageID("\(message.id)#\(duplicateCount)")
                duplicateCount += 1
            }
        default: break
        }
        return message
    }

    /// What the instance decides about the message, as a defect would have it.
    func decide(_ message: Message, about state: InstanceState, at now: Timestamp) -> Acceptance {
        guard has(.runsUpdatesTwice), case .updateRequested(let request) = message.event.kind,
            case .ended? = state.updates.standing(of: request.id)
        else { return state.decide(message, at: now) }
        var state = state
        state.updates = UpdateLedger()
        return state.decide(message, at: now)
    }

    /// The failed instance as a defect would have it when it is rewound.
    func forgetful(_ failed: InstanceState) -> InstanceState {
        guard has(.rewindForgetsOpen) else { return failed }
        var failed = failed
        failed.atEnd?.open = []
        failed.givenUp.lately = []
        return failed
    }

    /// What a rewind dispatches as a defect would have it.
    func defective(
        _ change: inout InstanceChange, _ outbox: [OutboxEntry], of failed: InstanceState, _ outboxID: inout OutboxID
    ) -> [OutboxEntry] {
        var outbox = outbox
        if has(.rewindRepeatsCompleted) {
            for event in change.history {
                guard case .taskScheduled(let name, let input) = event.kind,
                    !change.scheduledTasks.contains(where: { $0.taskID == event.eventID })
                else { continue }
                let task = TaskMessage(
                    instanceID: failed.id, executionID: failed.executionID, taskID: event.eventID, dispatch: 77,
                    name: name, input: input, traceParent: failed.traceParent)
                change.scheduledTasks.append(.init(taskID: event.eventID, dispatch: 77, outboxID: outboxID))
                outbox.append(OutboxEntry(id: outboxID, epoch: parts.epoch, body: .task(task)))
                outboxID = OutboxID(outboxID.value + 1)
            }
        }
        guard has(.rewindsWithOldDispatches) else { return outbox }
        for index in change.scheduledTasks.indices { change.scheduledTasks[index].dispatch = 1 }
        return outbox.map { entry in
            guard case .task(var task) = entry.body else { return entry }
            task.dispatch = 1
            var entry = entry
            entry.body = .task(task)
            return entry
        }
    }
}

extension Checkpoint {
    /// The same in two records: first what the instances became, then what is to be sent.
    var split: [PartitionRecord] {
        var instances = self
        instances.outbox = []
        var messages = Checkpoint(time: time)
        messages.outbox = outbox
        return [.checkpoint(instances), .checkpoint(messages)]
    }
}

/// A processor that ended, for what it left in memory.
struct StaleCache: Sendable {
    fileprivate let processor: PartitionProcessor
    init(_ processor: PartitionProcessor) { self.processor = processor }
}

extension PartitionProcessor {
    /// Takes over what an ended processor of the same thread left in memory.
    func inherit(_ stale: StaleCache) {
        // Both are on the partition's thread.
        cache =
            stale.processor.assumeIsolated { processor in
                defer { processor.cache = InstanceCache() }
                return UncheckedBox(processor.cache)
            }.value
    }
}

private struct UncheckedBox: @unchecked Sendable {  // crosses between two actors of one thread
    let value: InstanceCache
    init(_ value: InstanceCache) { self.value = value }
}
