import DurableBackend
import DurableClient
import DurableCore
import DurableEngine

/// One partition as a backup reads it.
struct PartitionSource {
    enum Reading {
        /// A log in streams of the broker.
        case log(LogCopier)
        /// Files of this host, copied into a directory.
        case files(any HubStorage, HubDescriptor, directory: String)
    }

    let partition: PartitionID
    private let hub: HubName
    private let reading: Reading
    private(set) var position = LogPosition(0)
    /// Of its sequences.
    private(set) var incarnation: UInt64 = 0
    private(set) var state = PartitionState()
    /// Files: the copy, which stays open.
    private var store: (any PartitionStore)?

    init(partition: PartitionID, hub: HubName, reading: Reading) {
        self.partition = partition
        self.hub = hub
        self.reading = reading
    }

    /// - Parameter isEnough: nil: reads what there is now. Files can be read no other way.
    mutating func advance(until isEnough: ((PartitionState) -> Bool)?) async throws {
        do {
            switch reading {
            case .log(let copier): take(try await copier.advance(until: isEnough))
            case .files(let storage, let descriptor, let directory):
                store?.close()
                let copy = try storage.copy(partition, of: descriptor, to: directory)
                store = copy.store
                take(try await Self.fold(copy, partitionCount: descriptor.partitionCount))
            }
        } catch {
            throw wrapped(error)
        }
    }

    /// What the log of a copied file has beyond its tables goes into them.
    private static func fold(_ copy: OpenPartition, partitionCount: Int) async throws -> StoreRecovery {
        try await copy.log.fold(into: copy.store, partitionCount: partitionCount)
    }

    private mutating func take(_ recovery: StoreRecovery) {
        position = recovery.position
        incarnation = recovery.incarnation
        state = recovery.state
    }

    /// Hands out what the partition holds.
    func read(
        _ makeReader: (any PartitionStore) throws(StoreError) -> (() throws(StoreError) -> SnapshotChunk?),
        _ take: (SnapshotChunk) throws -> Void
    ) throws {
        do {
            let store: any PartitionStore =
                switch reading {
                case .log(let copier): try copier.open()
                case .files: try opened()
                }
            defer { store.close() }
            let next = try makeReader(store)
            while let chunk = try next() { try take(chunk) }
        } catch {
            throw wrapped(error)
        }
    }

    private func opened() throws(StoreError) -> any PartitionStore {
        guard let store else { throw .unavailable("the partition was not read") }
        return store
    }

    private func wrapped(_ error: any Error) -> any Error {
        let what = "cannot read partition \(partition) of hub \"\(hub)\""
        switch error {
        case let error as StoreError: return ClientError.wrapping(error, what)
        case LogError.damaged(let text):
            return ClientError(
                .storeDamaged, "\(what): \(text). Nothing was written. Find out with dtq doctor.", cause: error)
        case LogError.full(let text):
            return ClientError(.diskFull, "\(what): \(text). Nothing was written. Make room.", cause: error)
        case LogError.unavailable(let text):
            return ClientError(.storeUnavailable, "\(what): \(text). Nothing was written. Try again.", cause: error)
        case LogError.fenced(let newest):
            return ClientError(.fenced, "\(what): epoch \(newest) has begun meanwhile. Try again.", cause: error)
        default: return error
        }
    }
}
