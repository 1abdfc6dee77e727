internal import DurableBackend
internal import DurableCore
internal import GRDB

/// Whose a partition file is; written once.
struct PartitionIdentity {
    var hubID: String
    var hub: String
    var partition: Int64
    var partitionCount: Int64
    /// Random number given when the file was made.
    var incarnation: UInt64
    var createdAt: Timestamp

    static func read(_ database: Database) throws -> PartitionIdentity {
        let statement = try database.cachedStatement(
            sql: "SELECT hub_id, hub, partition, partition_count, incarnation, created_at, checksum FROM identity")
        let found = try statement.first([]) { row in
            let identity = PartitionIdentity(
                hubID: try row.text(0), hub: try row.text(1), partition: try row.integer(2),
                partitionCount: try row.integer(3), incarnation: UInt64(column: try row.integer(4)),
                createdAt: try row.time(5))
            return (identity, checksum: try row.integer(6))
        }
        guard let (identity, checksum) = found else { throw RowDamage("it does not say whose it is") }
        guard checksum == identity.checksum else { throw RowDamage("what says whose it is has a wrong checksum") }
        return identity
    }

    func insert(_ database: Database) throws {
        try database.execute(
            sql: "INSERT INTO identity VALUES (1, ?, ?, ?, ?, ?, ?, ?)",
            arguments: [
                hubID, hub, partition, partitionCount, incarnation.column, createdAt.millisecondsSinceEpoch, checksum,
            ])
    }

    /// - Throws: `.foreign` when the file is another hub's or another partition's.
    func check(_ path: String, _ descriptor: HubDescriptor, _ partition: PartitionID) throws {
        guard hubID == descriptor.hubID else {
            throw StoreError.foreign(
                "\(path) belongs to hub \"\(hub)\" (\(hubID)), not to hub \"\(descriptor.hub)\" "
                    + "(\(descriptor.hubID)). It was left as it is: check the hub's data directory")
        }
        guard self.partition == Int64(partition.index), partitionCount == Int64(descriptor.partitionCount) else {
            throw StoreError.foreign(
                "\(path) holds partition \(self.partition) of \(partitionCount), not partition "
                    + "\(partition) of \(descriptor.partitionCount). It was left as it is: was it renamed?")
        }
    }

    private var checksum: Int64 {
        var checksum = Checksum()
        checksum.add(Array(hubID.utf8))
        checksum.add(Array(hub.utf8))
        checksum.add(partition)
        checksum.add(partitionCount)
        checksum.add(incarnation)
        checksum.add(createdAt.millisecondsSinceEpoch)
        return checksum.value
    }
}
