internal import DurableBackend
internal import DurableCore
internal import DurableWire
internal import Foundation
internal import GRDB

/// The row of a copy that says where its log goes on.
enum BookmarkTable {
    static func read(_ database: Database) throws -> LogBookmark? {
        let statement = try database.cachedStatement(sql: "SELECT bookmark, checksum FROM bookmark")
        guard let (bytes, sum) = try statement.first([], { (try $0.bytes(0), try $0.integer(1)) }) else { return nil }
        guard sum == checksum(bytes) else { throw RowDamage("the log's bookmark has a wrong checksum") }
        return try LogBookmark(wire: bytes)
    }

    static func write(_ bookmark: LogBookmark?, _ database: Database) throws {
        guard let bytes = bookmark?.wireBytes else {
            return try database.cachedStatement(sql: "DELETE FROM bookmark").execute()
        }
        try database.cachedStatement(sql: "INSERT OR REPLACE INTO bookmark (id, bookmark, checksum) VALUES (1, ?, ?)")
            .execute(arguments: [Data(bytes), checksum(bytes)])
    }

    private static func checksum(_ bytes: [UInt8]) -> Int64 {
        var checksum = Checksum()
        checksum.add(bytes)
        return checksum.value
    }
}
