internal import DurableBackend
internal import DurableCore
internal import DurableWire
internal import Foundation
internal import GRDB

/// Tables of a hub's own file.
enum HubSchema {
    static let sql = """
        -- One row: the hub these files belong to.
        CREATE TABLE hub (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            hub_id TEXT NOT NULL,
            hub TEXT NOT NULL,
            descriptor BLOB NOT NULL,
            checksum INTEGER NOT NULL,
            is_complete INTEGER NOT NULL  -- 1 once every partition file was made: a missing one is a loss from then on
        ) STRICT;

        -- Claims of the embedded mode, in order of their epochs' offsets; the last of each partition is kept.
        CREATE TABLE claims (
            offset INTEGER PRIMARY KEY AUTOINCREMENT,
            partition INTEGER NOT NULL UNIQUE,
            worker TEXT NOT NULL,
            is_released INTEGER NOT NULL,
            next_due INTEGER
        ) STRICT;
        """

    static func initialize(_ database: Database, _ descriptor: HubDescriptor) throws {
        let bytes = descriptor.wireBytes
        try database.execute(
            sql: "INSERT INTO hub VALUES (1, ?, ?, ?, ?, 0)",
            arguments: [descriptor.hubID, descriptor.hub.value, Data(bytes), checksum(bytes)])
    }

    static func descriptor(_ database: Database) throws -> HubDescriptor {
        let bytes = try database.cachedStatement(sql: "SELECT descriptor, checksum FROM hub")
            .first([], { (try $0.bytes(0), try $0.integer(1)) })
        guard let (descriptor, sum) = bytes else { throw RowDamage("it does not say whose it is") }
        guard sum == checksum(descriptor) else { throw RowDamage("the hub's descriptor has a wrong checksum") }
        return try HubDescriptor(wire: descriptor)
    }

    static func isComplete(_ database: Database) throws -> Bool {
        try Int.fetchOne(database, sql: "SELECT is_complete FROM hub") == 1
    }

    private static func checksum(_ descriptor: [UInt8]) -> Int64 {
        var checksum = Checksum()
        checksum.add(descriptor)
        return checksum.value
    }
}
