internal import DurableBackend
internal import DurableCore
internal import GRDB

/// The newest epoch that began on a partition file: what fences everything written there.
enum NewestEpoch {
    static func read(_ database: Database) throws -> Epoch {
        let statement = try database.cachedStatement(
            sql: "SELECT epoch_generation, epoch_offset, checksum FROM log_state")
        guard let (epoch, sum) = try statement.first([], { (try $0.epoch(0), try $0.integer(2)) }) else {
            throw RowDamage("the newest epoch is missing")
        }
        guard sum == checksum(of: epoch) else { throw RowDamage("the newest epoch has a wrong checksum") }
        return epoch
    }

    static func write(_ epoch: Epoch, _ database: Database) throws {
        try database.cachedStatement(
            sql: "UPDATE log_state SET epoch_generation = ?, epoch_offset = ?, checksum = ?"
        ).execute(arguments: [Int64(epoch.generation), epoch.offset.column, checksum(of: epoch)])
    }

    /// - Throws: `.fenced` unless `epoch` is the newest.
    static func require(_ epoch: Epoch, _ database: Database) throws {
        let newest = try read(database)
        if epoch != newest { throw StoreError.fenced(newest: newest) }
    }

    static func checksum(of epoch: Epoch) -> Int64 {
        var checksum = Checksum()
        checksum.add(Int64(epoch.generation))
        checksum.add(epoch.offset)
        return checksum.value
    }
}
