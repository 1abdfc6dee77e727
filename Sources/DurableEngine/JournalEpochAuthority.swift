package import DurableBackend
package import DurableCore

/// Epochs from the hub's journal stream: the offset of a claim is unique and rising because the broker gives it.
package struct JournalEpochAuthority: EpochAuthority {
    private let journal: HubJournal

    /// - Parameter journal: The one the worker's storage reads, so that what was read for a claim serves both.
    package init(_ journal: HubJournal) { self.journal = journal }

    /// - Parameter makeNonce: A text nobody else makes, for each claim.
    package init(
        transport: any MessageTransport, topology: HubTopology, clock: any EngineClock,
        makeNonce: @escaping @Sendable () -> String
    ) {
        self.init(HubJournal(transport: transport, topology: topology, clock: clock, makeNonce: makeNonce))
    }

    package func claim(_ partition: PartitionID, by worker: WorkerID) async throws(EpochError) -> Epoch {
        try await journal.claim(partition, by: worker)
    }

    package func release(_ partition: PartitionID, epoch: Epoch, nextDue: Timestamp?) async throws(EpochError) {
        try await journal.release(partition, epoch: epoch, nextDue: nextDue)
    }
}
