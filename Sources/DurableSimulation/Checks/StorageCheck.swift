import DurableBackend
import DurableCore

/// What the next owner would find, compared with what the witness saw: tables, with the log folded in.
struct StorageCheck {
    private let hub: SimulatedHub
    init(_ hub: SimulatedHub) { self.hub = hub }

    func perform() async throws {
        for partition in hub.topology.partitions { try await check(partition) }
    }

    private func check(_ partition: PartitionID) async throws {
        let truth = hub.witness.partitions[partition.index]
        let open = try hub.openStorage(partition)
        defer {
            open.store.close()
            hub.endChecker()
        }
        // Fills a copy that must begin with a snapshot.
        if hub.plan.storage == .replicated { _ = try await open.log.read(after: LogPosition(0), limit: 0) }
        while let archive = open.archive, !archive.isComplete { try await archive.fetch() }
        let recovery = try open.store.recover()
        var state = recovery.state
        var position = recovery.position
        var instances: [InstanceID: Witness.Instance] = [:]  // sorted before use
        for stored in try open.store.list(ListFilter(), after: nil, limit: 100_000) {
            instances[stored.id] = Witness.Instance(
                state: stored, executions: [try history(of: stored, in: open.store)])
        }
        var sent: [SentPlace: OutboxEntry] = [:]  // look-up only
        for message in try open.store.sent(after: nil, byteLimit: .max) { sent[message.place] = message.entry }
        for entry in try await open.log.read(after: recovery.position, limit: 100_000) {
            if case .outboxConfirmed(let ids) = entry.record {
                for id in ids {
                    guard let entry = state.outbox[id],
                        let place = entry.place(partitionCount: hub.plan.partitionCount)
                    else { continue }
                    sent[place] = entry
                }
            }
            state.evolve(with: entry.record, partitionCount: hub.plan.partitionCount)
            position = entry.position
            if case .purged(let purged) = entry.record { for id in purged.ids { instances[id] = nil } }
            guard case .checkpoint(let checkpoint) = entry.record else { continue }
            for change in checkpoint.changes {
                if change.replaces { instances[change.instanceID] = nil }
                guard
                    var instance = instances[change.instanceID]
                        ?? InstanceState.created(by: change).map({ Witness.Instance(state: $0) })
                else { continue }
                instance.fold(change)
                instances[change.instanceID] = instance
            }
        }
        func expect(_ holds: Bool, _ text: String) {
            if !holds { hub.witness.violated("I1: partition \(partition) on disk: \(text)") }
        }
        expect(position == truth.position, "the log ends at \(position), \(truth.position) was durable")
        expect(state.outbox == truth.state.outbox, "the outbox differs")
        expect(state.nextOutboxID == truth.state.nextOutboxID, "the next outbox number differs")
        expect(state.sequences == truth.state.sequences, "sequences differ")
        expect(state.delivered == truth.state.delivered, "what others have applied differs")
        sent = sent.filter { place, _ in place.sequence > state.delivered[place.destination] ?? 0 }
        expect(sent == truth.sent, "messages that others have not applied differ")
        expect(instances.count == truth.instances.count, "\(instances.count) instances of \(truth.instances.count)")
        for (id, instance) in truth.instances.sorted(by: { $0.key < $1.key }) {
            expect(instances[id]?.state == instance.state, "instance \(id) differs")
            expect(instances[id]?.history == instance.history, "the history of instance \(id) differs")
        }
    }

    private func history(of state: InstanceState, in store: any PartitionStore) throws -> [HistoryEvent] {
        var events: [HistoryEvent] = []
        while events.count < state.historyCount {
            let page = try store.history(of: state.id, from: events.count, byteLimit: 1 << 20)
            if page.isEmpty { break }
            events += page
        }
        return events
    }
}
