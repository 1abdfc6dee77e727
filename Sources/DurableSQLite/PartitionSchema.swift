internal import DurableBackend
internal import DurableCore
internal import Foundation
internal import GRDB

/// Tables of a partition file, and whose file it is.
///
/// Instances have integer numbers and history is appended in rows of several events: this schema writes three times
/// as many checkpoints a second as one with text keys.
enum PartitionSchema {
    static let sql = """
        -- One row: whose file this is.
        CREATE TABLE identity (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            hub_id TEXT NOT NULL,
            hub TEXT NOT NULL,
            partition INTEGER NOT NULL,
            partition_count INTEGER NOT NULL,
            incarnation INTEGER NOT NULL,
            created_at INTEGER NOT NULL,
            checksum INTEGER NOT NULL
        ) STRICT;

        -- One row: the newest epoch that began; every write to log and tables is checked against it.
        CREATE TABLE log_state (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            epoch_generation INTEGER NOT NULL,
            epoch_offset INTEGER NOT NULL,
            checksum INTEGER NOT NULL
        ) STRICT;

        -- Records not yet in the tables.
        CREATE TABLE log (
            position INTEGER PRIMARY KEY,
            epoch_generation INTEGER NOT NULL,
            epoch_offset INTEGER NOT NULL,
            record BLOB NOT NULL,
            checksum INTEGER NOT NULL
        ) STRICT;

        -- One row: where the tables stand.
        CREATE TABLE store_state (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            position INTEGER NOT NULL,
            epoch_generation INTEGER NOT NULL,
            epoch_offset INTEGER NOT NULL,
            next_outbox INTEGER NOT NULL,
            deduplication BLOB NOT NULL,
            sequences BLOB NOT NULL,
            checksum INTEGER NOT NULL,
            evidence BLOB NOT NULL DEFAULT x'',
            delivered BLOB NOT NULL DEFAULT x'',
            must_redrive INTEGER NOT NULL DEFAULT 0,
            expired_before INTEGER
        ) STRICT;

        CREATE TABLE instances (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL,
            name TEXT NOT NULL,
            status INTEGER NOT NULL,
            created_at INTEGER NOT NULL,
            updated_at INTEGER NOT NULL,
            next_due INTEGER,
            is_held INTEGER NOT NULL,
            history_count INTEGER NOT NULL,
            state BLOB NOT NULL,
            checksum INTEGER NOT NULL,
            ended_position INTEGER,
            end_is_exact INTEGER NOT NULL DEFAULT 0,
            ended_at INTEGER,
            parent TEXT,
            tags INTEGER
        ) STRICT;
        CREATE UNIQUE INDEX instances_by_id ON instances (id);
        CREATE INDEX instances_by_status ON instances (status, created_at, id);
        CREATE INDEX instances_by_due ON instances (next_due, id) WHERE next_due IS NOT NULL;
        CREATE INDEX instances_held ON instances (id) WHERE is_held = 1;
        CREATE INDEX instances_by_end ON instances (ended_position, id) WHERE ended_position IS NOT NULL;
        \(managementSQL)
        -- Number of instances by status, kept by each flush: counting a million rows takes too long.
        CREATE TABLE counts (
            status INTEGER PRIMARY KEY,
            instances INTEGER NOT NULL
        ) STRICT;

        CREATE TABLE history (
            instance INTEGER NOT NULL,
            first_index INTEGER NOT NULL,
            event_count INTEGER NOT NULL,
            events BLOB NOT NULL,
            checksum INTEGER NOT NULL
        ) STRICT;
        CREATE UNIQUE INDEX history_by_instance ON history (instance, first_index);

        CREATE TABLE outbox (
            id INTEGER PRIMARY KEY,
            entry BLOB NOT NULL,
            checksum INTEGER NOT NULL
        ) STRICT;

        """ + sentSQL

    private static let sentSQL = """
        -- Messages that the broker has confirmed and the partition they went to has not applied yet.
        CREATE TABLE sent (
            destination INTEGER NOT NULL,
            sequence INTEGER NOT NULL,
            id INTEGER NOT NULL,
            entry BLOB NOT NULL,
            checksum INTEGER NOT NULL,
            PRIMARY KEY (destination, sequence)
        ) STRICT, WITHOUT ROWID;
        """

    /// What instances are found by that are looked for, and those that are kept long enough.
    private static let managementSQL = """
        CREATE INDEX instances_by_name ON instances (name, status, created_at, id);
        CREATE INDEX instances_by_parent ON instances (parent, created_at, id) WHERE parent IS NOT NULL;
        CREATE INDEX instances_by_age ON instances (ended_at, id) WHERE ended_at IS NOT NULL;

        -- Tags of instances; `instance` is a number. Those of one have the same mark in `instances`.
        CREATE TABLE tags (
            key TEXT NOT NULL,
            value TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            id TEXT NOT NULL,
            instance INTEGER NOT NULL,
            PRIMARY KEY (key, value, created_at, id)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX tags_by_key ON tags (key, created_at, id);

        """

    /// In the file of a copy: instances that were purged and may be in streams of the archive.
    private static let purgedSQL = """

        CREATE TABLE purged (
            id TEXT PRIMARY KEY,
            position INTEGER NOT NULL,
            ended_position INTEGER
        ) STRICT, WITHOUT ROWID;
        """

    /// From format 3 to 4; what states have is put into the new columns by `InstanceTable.fillIn`.
    private static let fourSQL = """
        ALTER TABLE store_state ADD COLUMN expired_before INTEGER;
        ALTER TABLE instances ADD COLUMN end_is_exact INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE instances ADD COLUMN ended_at INTEGER;
        ALTER TABLE instances ADD COLUMN parent TEXT;
        ALTER TABLE instances ADD COLUMN tags INTEGER;
        UPDATE instances SET ended_at = updated_at WHERE status IN (1, 3, 4, 5);
        """ + managementSQL

    /// From each format to the next, the first from 1 to 2.
    static let upgrades: [DatabaseFile.Upgrade] = [
        .init(sql: sqlUpgrades[0]), .init(sql: sqlUpgrades[1]),
        .init(sql: fourSQL, finish: { try InstanceTable.fillIn($0) }),
    ]

    private static let sqlUpgrades = [
        "ALTER TABLE store_state ADD COLUMN evidence BLOB NOT NULL DEFAULT x''",
        """
        ALTER TABLE store_state ADD COLUMN delivered BLOB NOT NULL DEFAULT x'';
        ALTER TABLE store_state ADD COLUMN must_redrive INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE instances ADD COLUMN ended_position INTEGER;
        \(endIndexSQL)
        """ + sentSQL,
    ]

    /// The same for the file of a copy. When its instances ended is not known: not later than it stands.
    static let copyUpgrades: [DatabaseFile.Upgrade] = [
        .init(sql: sqlUpgrades[0]),
        .init(
            sql: sqlUpgrades[1] + """

                UPDATE instances SET ended_position = (SELECT position FROM store_state) WHERE status IN (1, 3, 4, 5);
                """ + archiveSQL),
        .init(sql: fourSQL + purgedSQL, finish: { try InstanceTable.fillIn($0) }),
    ]

    private static let endIndexSQL = """
        CREATE INDEX instances_by_end ON instances (ended_position, id) WHERE ended_position IS NOT NULL;

        """

    /// What a copy lacks of its partition's archive: at most one row each.
    private static let archiveSQL = """

        CREATE TABLE archive (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            missing BLOB NOT NULL,
            checksum INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE archive_filter (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            filter BLOB NOT NULL,
            checksum INTEGER NOT NULL
        ) STRICT;
        """

    /// What the file of a copy has besides: at most one row, where the log goes on.
    static let copySQL =
        sql + """

            CREATE TABLE bookmark (
                id INTEGER PRIMARY KEY CHECK (id = 1),
                bookmark BLOB NOT NULL,
                checksum INTEGER NOT NULL
            ) STRICT;
            """ + archiveSQL + purgedSQL

    /// Fills the tables that have one row.
    static func initialize(
        _ database: Database, _ descriptor: HubDescriptor, _ partition: PartitionID, incarnation: UInt64
    ) throws {
        try PartitionIdentity(
            hubID: descriptor.hubID, hub: descriptor.hub.value, partition: Int64(partition.index),
            partitionCount: Int64(descriptor.partitionCount), incarnation: incarnation, createdAt: descriptor.createdAt
        ).insert(database)
        try database.execute(
            sql: "INSERT INTO log_state VALUES (1, 0, 0, ?)", arguments: [NewestEpoch.checksum(of: .zero)])
        try database.execute(
            sql: "INSERT INTO store_state VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", arguments: StoreState().columns)
    }
}
