import DurableBackend
package import DurableCore
import DurableWire
import OrderedCollections

/// What became durable, as seen while it was written: the truth that owners, clients and receivers are compared with.
///
/// It keeps its own copy of each partition, folded from the records' bytes by the same `evolve` the engine uses.
package final class Witness: @unchecked Sendable {  // confined to the simulator's thread
    package struct Instance {
        package var state: InstanceState
        /// Of each execution, oldest first.
        package var executions: [[HistoryEvent]] = [[]]
        /// Of the current execution, from its first event.
        package var history: [HistoryEvent] { executions.last ?? [] }
        /// Tasks whose completion was taken, as `idempotencyKey/dispatch`.
        package var answered: Set<String> = []
        /// How it ended before it was rewound, each time.
        package var voidEnds: [HistoryEvent] = []

        /// Whether an answer to the task is in its present execution.
        func holdsAnswer(to taskID: EventID) -> Bool {
            (history + state.inbox).contains { event in
                switch event.kind {
                case .taskCompleted(taskID, _), .taskFailed(taskID, _): true
                default: false
                }
            }
        }

        /// nil: there is no such execution.
        func history(of executionID: ExecutionID?) -> [HistoryEvent]? {
            executions.last { $0.executionStarted?.executionID == executionID }
                ?? (state.executionID == executionID ? history : nil)
        }

        mutating func fold(_ change: InstanceChange) {
            state.evolve(with: change)
            executions[executions.count - 1] += change.history
            if change.continuesAsNew { executions.append([]) }
        }
    }

    /// One epoch of a partition.
    package struct Ownership {
        package var node: Node
        package var began: Duration
        /// Whether the next epoch found it released; nil: there is no next one yet.
        package var isReleased: Bool?
    }

    package final class Partition {
        package var state = PartitionState()
        package var position = LogPosition(0)
        /// Highest epoch that began.
        package var newest = Epoch.zero
        /// Who began its epochs, in order.
        package var owners: [Ownership] = []
        package var owner: Node? { owners.last?.node }
        package var instances: [InstanceID: Instance] = [:]  // sorted before use
        /// Starts that have begun an instance. Look-up only.
        var starts: [InstanceID: Set<MessageID>] = [:]
        /// Those that another one has taken the ID of. Look-up only.
        var gone: [InstanceID: [Instance]] = [:]
        /// Confirmed messages to other partitions that they have not said to have applied.
        package var sent: [SentPlace: OutboxEntry] = [:]  // look-up only
        /// Appended, but the calls failed: perhaps written, perhaps not. Settled when the next epoch begins.
        var uncertain: [[PartitionRecord]] = []
    }

    package let partitions: [Partition]
    /// When instances were purged last: from then on a start that began one may begin it anew. Look-up only.
    private(set) var purgedAt: [InstanceID: Duration] = [:]
    /// Why instances were rewound by clients, who give a reason for each request. Look-up only.
    var rewindReasons: [InstanceID: Set<Payload>] = [:]
    package private(set) var violations: [String] = []
    package internal(set) var openCount = 0
    /// Open instances on hold.
    package private(set) var heldCount = 0
    package private(set) var appendCount = 0
    private let checksWire: Bool
    var trace: Trace

    /// - Parameter checksWire: Whether records are folded as the wire format gives them back.
    package init(partitionCount: Int, checksWire: Bool = true, trace: Trace) {
        self.checksWire = checksWire
        partitions = (0..<partitionCount).map { _ in Partition() }
        self.trace = trace
    }

    package func instance(_ id: InstanceID) -> Instance? {
        partitions[id.partition(of: partitions.count).index].instances[id]
    }

    /// The runs of the ID that have, or had, that execution: more than one where a copy of the start began it anew after a
    /// purge.
    package func runs(of id: InstanceID, _ executionID: ExecutionID?) -> [Instance] {
        allRuns(of: id).filter { $0.history(of: executionID) != nil }
    }

    /// The one that is there, and those that were replaced or purged.
    private func allRuns(of id: InstanceID) -> [Instance] {
        (instance(id).map { [$0] } ?? []) + (partitions[id.partition(of: partitions.count).index].gone[id] ?? [])
    }

    /// All instances in order of their IDs.
    package var instances: [Instance] {
        partitions.flatMap { $0.instances.values }.sorted { $0.state.id < $1.state.id }
    }

    /// Whether the completion of this dispatch is durable.
    package func isAnswered(_ task: TaskMessage) -> Bool {
        guard let instance = instance(task.instanceID) else { return false }
        if instance.answered.contains(Self.key(task)) { return true }
        // What is kept when it is rewound counts for all dispatches.
        return !instance.voidEnds.isEmpty && instance.state.executionID == task.executionID
            && instance.holdsAnswer(to: task.taskID)
    }

    /// Whether a durable checkpoint scheduled this task.
    package func isScheduled(_ task: TaskMessage) -> Bool {
        allRuns(of: task.instanceID).contains { instance in
            if instance.state.executionID == task.executionID, instance.state.openTasks[task.taskID] != nil {
                return true
            }
            return instance.history(of: task.executionID)?.contains { event in
                guard case .taskScheduled = event.kind else { return false }
                return event.eventID == task.taskID
            } ?? false
        }
    }

    /// Whether the broker is not known to hold this dispatch.
    package func isInOutbox(_ task: TaskMessage) -> Bool {
        partitions[task.instanceID.partition(of: partitions.count).index].state.outbox.values.contains { entry in
            guard case .task(let open) = entry.body else { return false }
            return Self.key(open) == Self.key(task)
        }
    }

    static func key(_ task: TaskMessage) -> String { "\(task.idempotencyKey)/\(task.dispatch)" }

    package func violated(_ text: String) {
        if violations.count < 20 { violations.append(text) }
        trace.note("VIOLATION \(text)")
    }

    func note(_ text: @autoclosure () -> String) { trace.note(text()) }

    // MARK: - What the storage sees

    func began(_ begin: PartitionRecord.Begin, of id: PartitionID, at position: LogPosition, by node: Node) {
        if begin.epoch <= partitions[id.index].newest {
            violated("I5: epoch \(begin.epoch) of partition \(id) began after \(partitions[id.index].newest)")
        }
        partitions[id.index].newest = max(partitions[id.index].newest, begin.epoch)
        let partition = partitions[id.index]
        if !partition.owners.isEmpty {
            partition.owners[partition.owners.count - 1].isReleased = partition.state.evidence.isReleased
        }
        partition.owners.append(Ownership(node: node, began: trace.elapsed))
        fold([.begin(begin)], into: id, through: position)
        trace.note("\(node.name) owns partition \(id), epoch \(begin.epoch)")
    }

    func appended(
        _ records: [PartitionRecord], epoch: Epoch, to id: PartitionID, at position: LogPosition, by node: Node
    ) {
        if epoch != partitions[id.index].newest {
            violated(
                "I5: \(node.name) appended to partition \(id) with epoch \(epoch), "
                    + "while \(partitions[id.index].newest) had begun")
        }
        fold(records, into: id, through: position)
    }

    func mayHaveAppended(_ records: [PartitionRecord], to id: PartitionID) {
        partitions[id.index].uncertain.append(records)
        trace.note("what became of \(records.count) records of partition \(id) is unknown")
    }

    func isUncertain(of id: PartitionID) -> Bool { !partitions[id.index].uncertain.isEmpty }

    /// - Parameter found: What the log has beyond what was known, when the next epoch begins.
    func settle(_ id: PartitionID, found: [PartitionRecord]) {
        let uncertain = partitions[id.index].uncertain
        partitions[id.index].uncertain = []
        var rest = found[...]
        for records in uncertain
        where rest.starts(with: records.compactMap { try? PartitionRecord(wire: $0.wireBytes) }) {
            rest = rest.dropFirst(records.count)
            fold(
                records, into: id,
                through: LogPosition(partitions[id.index].position.value + UInt64(records.count)))
        }
        if !rest.isEmpty {
            violated("I4: \(rest.count) records are in the log of partition \(id) that nobody appended as they are")
        }
    }

    private func fold(_ records: [PartitionRecord], into id: PartitionID, through position: LogPosition) {
        appendCount += 1
        let expected = partitions[id.index].position.value + UInt64(records.count)
        if position.value != expected {
            violated("I1: the log of partition \(id) stands at \(position) where \(expected) was due")
        }
        partitions[id.index].position = position
        for record in records {
            do {
                let record = checksWire ? try PartitionRecord(wire: record.wireBytes) : record
                fold(record, into: partitions[id.index])
            } catch {
                violated("I13: a record of partition \(id) cannot be read back: \(error)")
            }
        }
    }

    private func fold(_ record: PartitionRecord, into partition: Partition) {
        if case .outboxConfirmed(let ids) = record {
            for id in ids {
                guard let entry = partition.state.outbox[id], let place = entry.place(partitionCount: partitions.count)
                else { continue }
                partition.sent[place] = entry
            }
        }
        if case .delivered(let applied) = record { for one in applied { checkDelivery(one, of: partition) } }
        partition.state.evolve(with: record, partitionCount: partitions.count)
        partition.sent = partition.sent.filter { place, _ in
            place.sequence > partition.state.delivered[place.destination] ?? 0
        }
        if case .purged(let purged) = record {
            for id in purged.ids {
                partition.starts[id] = nil
                purgedAt[id] = trace.elapsed
                if let gone = partition.instances.removeValue(forKey: id), gone.state.status.isTerminal {
                    partition.gone[id, default: []].append(gone)
                    continue
                }
                violated("I1: instance \(id) is purged, and has not ended or is not there")
            }
        }
        guard case .checkpoint(let checkpoint) = record else { return }
        for change in checkpoint.changes { fold(change, into: partition) }
    }

    private func fold(_ change: InstanceChange, into partition: Partition) {
        var old = partition.instances.removeValue(forKey: change.instanceID)
        if change.replaces, let failed = old, change.continues(failed.state.executionID) {
            partition.gone[change.instanceID, default: []].append(failed)
            partition.instances[change.instanceID] = rewound(failed, by: change)
            return
        }
        if change.replaces, var gone = old {
            old = nil
            if !gone.state.status.isTerminal { openCount -= 1 }
            if gone.state.hold != nil { heldCount -= 1 }
            if !gone.state.status.isTerminal { gone.fold(gone.state.replaced(at: change.time).change) }
            partition.gone[change.instanceID, default: []].append(gone)
        }
        guard var instance = old ?? InstanceState.created(by: change).map({ Instance(state: $0) }) else {
            return violated("I2: a record changes instance \(change.instanceID), which does not exist")
        }
        if old == nil {
            openCount += 1
            if !partition.starts[change.instanceID, default: []].insert(instance.state.startID).inserted {
                violated("I2: start \(instance.state.startID) begins instance \(change.instanceID) once more")
            }
        }
        let wasHeld = instance.state.hold != nil
        if old?.state.status.isTerminal ?? false {
            // An entity that was empty is used again.
            if instance.state.entity == nil { violated("I2: instance \(change.instanceID) changes after its end") }
            openCount += 1
        }
        noteAnswers(in: change, of: &instance)
        instance.fold(change)
        if wasHeld != (instance.state.hold != nil) { heldCount += wasHeld ? -1 : 1 }
        if instance.state.status.isTerminal {
            openCount -= 1
            trace.note("\(change.instanceID) is \(instance.state.status)")
        }
        partition.instances[change.instanceID] = instance
    }

    /// Nothing may be forgotten before its destination has it for good.
    private func checkDelivery(_ applied: AppliedThrough, of sender: Partition) {
        guard let index = partitions.firstIndex(where: { $0 === sender }) else { return }
        let source = Deduplication.Source(partition: PartitionID(index), incarnation: applied.incarnation)
        let watermark = partitions[applied.destination.index].state.deduplication.watermarks[source] ?? 0
        if applied.sequence > watermark {
            violated(
                "I14: partition \(index) forgets what it sent to \(applied.destination) up to \(applied.sequence), "
                    + "applied is \(watermark)")
        }
    }

    private func noteAnswers(in change: InstanceChange, of instance: inout Instance) {
        for event in change.history + change.buffered {
            let taskID: EventID
            switch event.kind {
            case .taskCompleted(let id, _), .taskFailed(let id, _): taskID = id
            default: continue
            }
            guard let task = instance.state.openTasks[taskID] else { continue }
            let message = TaskMessage(
                instanceID: instance.state.id, executionID: instance.state.executionID, taskID: taskID,
                dispatch: task.dispatch, name: "", input: nil)
            instance.answered.insert(Self.key(message))
        }
    }
}
