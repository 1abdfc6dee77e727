package import DurableBackend
package import DurableCore

/// Hands out epochs from memory; every worker of a test hub uses the same one.
package final class MemoryEpochAuthority: EpochAuthority {
    private struct State {
        var lastOffset: UInt64 = 0
        var newest: [PartitionID: Epoch] = [:]
        var nextDue: [PartitionID: Timestamp] = [:]
    }

    private let state = PlatformLock(State())

    package init() {}

    package func claim(_ partition: PartitionID, by worker: WorkerID) async throws(EpochError) -> Epoch {
        state.withLock { state in
            state.lastOffset += 1
            let epoch = Epoch(generation: 1, offset: state.lastOffset)
            state.newest[partition] = epoch
            state.nextDue[partition] = nil
            return epoch
        }
    }

    package func release(_ partition: PartitionID, epoch: Epoch, nextDue: Timestamp?) async throws(EpochError) {
        state.withLock { state in
            // An epoch that is not the newest any more has nothing to say.
            if state.newest[partition] == epoch { state.nextDue[partition] = nextDue }
        }
    }

    /// What the last release said; nil while the partition is claimed, or when nothing is due.
    package func nextDue(of partition: PartitionID) -> Timestamp? { state.withLock { $0.nextDue[partition] } }
}
