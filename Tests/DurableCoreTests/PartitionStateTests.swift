import DurableCore
import Testing

@Suite("State of one partition") struct PartitionStateTests {
    private let epoch = Epoch(generation: 1, offset: 3)

    private func task(_ id: UInt64) -> OutboxEntry {
        OutboxEntry(
            id: OutboxID(id), epoch: epoch,
            body: .task(
                TaskMessage(
                    instanceID: InstanceID("i"), executionID: ExecutionID("x"), taskID: EventID(Int32(id)), dispatch: 1,
                    name: "A", input: nil)))
    }

    @Test func outboxKeepsWhatIsNotConfirmed() {
        var state = PartitionState()
        state.evolve(with: .begin(.init(epoch: epoch, worker: WorkerID("w"), time: .at(1))), partitionCount: 8)
        state.evolve(
            with: .checkpoint(Checkpoint(time: .at(2), outbox: [task(1), task(2), task(3)])), partitionCount: 8)
        state.evolve(with: .outboxConfirmed([OutboxID(2)]), partitionCount: 8)
        state.evolve(
            with: .checkpoint(Checkpoint(time: .at(3), outboxRemoved: [OutboxID(3), OutboxID(9)])), partitionCount: 8)
        #expect(state.pendingOutbox == [task(1)])
        #expect(state.nextOutboxID == OutboxID(4))
        #expect(state.epoch == epoch)
    }

    @Test func attemptsAreEvidenceUntilTheInstanceChanges() {
        var state = PartitionState()
        let (a, b) = (InstanceID("a"), InstanceID("b"))
        func attempt(_ id: InstanceID, _ offset: UInt64, build: String = "new") {
            let epoch = Epoch(generation: 1, offset: offset)
            state.evolve(
                with: .attempt(.init(epoch: epoch, instanceID: id, messageID: nil, build: build)), partitionCount: 8)
        }
        for offset in [3, 3, 5, 9] as [UInt64] { attempt(a, offset) }
        attempt(a, 10, build: "old")
        attempt(b, 9)
        #expect(state.evidence.epochs(of: a, build: "new").map(\.offset) == [3, 5, 9])
        #expect(state.evidence.epochs(of: a, build: "old").map(\.offset) == [10])
        // A change of another instance, and a repeat that changes nothing, say nothing about it.
        let other = InstanceChange(instanceID: b, time: .at(1))
        state.evolve(with: .checkpoint(Checkpoint(time: .at(1), changes: [other])), partitionCount: 8)
        #expect(state.evidence.suspects.map(\.instanceID) == [a, a])
        state.evolve(
            with: .checkpoint(Checkpoint(time: .at(1), changes: [InstanceChange(instanceID: a, time: .at(1))])),
            partitionCount: 8)
        #expect(state.evidence.suspects == [])
    }

    @Test func onlyTheNewestEpochsReleaseCounts() {
        var state = PartitionState()
        state.evolve(with: .released(nextDue: nil), partitionCount: 8)
        #expect(state.evidence.isReleased)
        state.evolve(with: .begin(.init(epoch: epoch, worker: WorkerID("w"), time: .at(1))), partitionCount: 8)
        #expect(!state.evidence.isReleased)
    }

    @Test func sequencesFollowEachDestination() {
        let message = Message(
            id: MessageID("m"), instanceID: InstanceID("order-1"),
            origin: Origin(partition: PartitionID(0), incarnation: 5, sequence: 12),
            event: HistoryEvent(timestamp: .at(1), kind: .eventRaised(name: "e", input: nil)))
        var state = PartitionState()
        state.evolve(
            with: .checkpoint(
                Checkpoint(time: .at(1), outbox: [OutboxEntry(id: OutboxID(1), epoch: epoch, body: .message(message))])),
            partitionCount: 8)
        #expect(state.sequences == [InstanceID("order-1").partition(of: 8): 12])
    }

    @Test func sequencesAreAppliedInOrderOnce() {
        var deduplication = Deduplication()
        func origin(_ sequence: UInt64, incarnation: UInt64 = 1) -> Origin {
            Origin(partition: PartitionID(3), incarnation: incarnation, sequence: sequence)
        }
        #expect(deduplication.judge(origin(1)) == .next)
        #expect(deduplication.judge(origin(2)) == .gap)
        deduplication.markApplied(origin(1))
        #expect(deduplication.judge(origin(1)) == .duplicate)
        #expect(deduplication.judge(origin(2)) == .next)
        #expect(deduplication.judge(origin(1, incarnation: 2)) == .next)
    }
}
