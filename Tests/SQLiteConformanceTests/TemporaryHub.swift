import DurableBackend
import DurableCore
import DurableSQLite
import Foundation

/// A hub of a few partitions in a directory of its own, removed with the value.
final class TemporaryHub: Sendable {
    let directory: String
    let descriptor: HubDescriptor

    /// - Parameter parent: Where to make the directory.
    init(parent: String = NSTemporaryDirectory(), partitions: Int = 2, creating: Bool = true) throws {
        directory = URL(fileURLWithPath: parent).appendingPathComponent("dtq-test-\(UUID().uuidString)").path
        descriptor = Self.descriptor(partitions: partitions, directory: directory)
        if creating { try SQLiteHubStorage().create(descriptor) }
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    static func descriptor(partitions: Int = 2, directory: String) -> HubDescriptor {
        HubDescriptor(
            hubID: UUID().uuidString, hub: HubName("orders")!, partitionCount: partitions, queueKind: .quorum,
            logMode: .local, dataDirectory: directory, createdAt: Timestamp(millisecondsSinceEpoch: 1_795_478_400_000))
    }

    var storage: SQLiteStorage { storage() }

    func storage(_ options: SQLiteOptions = SQLiteOptions()) -> SQLiteStorage {
        SQLiteStorage(descriptor: descriptor, directory: directory, options: options)
    }

    func path(_ partition: Int) -> String { "\(directory)/partition-\(partition).sqlite" }
}

/// The hub goes when its last opener does.
struct KeptStorage: PartitionStorage {
    let hub: TemporaryHub
    func open(_ partition: PartitionID) throws(StoreError) -> OpenPartition { try hub.storage.open(partition) }
}
