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
            must_redrive INTEGER NOT NULL DEFAULT 0
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
            ended_position INTEGER
        ) STRICT;
        CREATE UNIQUE INDEX instances_by_id ON instances (id);
        CREATE INDEX instances_by_status ON instances (status, created_at, id);
        CREATE INDEX instances_by_due ON instances (next_due, id) WHERE next_due IS NOT NULL;
        CREATE INDEX instances_held ON instances (id) WHERE is_held = 1;
        CREATE INDEX instances_by_end ON instances (ended_position, id) WHERE ended_position IS NOT NULL;

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

    /// From each format to the next, the first from 1 to 2.
    static let upgrades = [
        "ALTER TABLE store_state ADD COLUMN evidence BLOB NOT NULL DEFAULT x''",
        """
        ALTER TABLE store_state ADD COLUMN delivered BLOB NOT NULL DEFAULT x'';
        ALTER TABLE store_state ADD COLUMN must_redrive INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE instances ADD COLUMN ended_position INTEGER;
        \(endIndexSQL)
        """ + sentSQL,
    ]

    /// The same for the file of a copy. When its instances ended is not known: not later than it stands.
    static let copyUpgrades = [
        upgrades[0],
        upgrades[1] + """

            UPDATE instances SET ended_position = (SELECT position FROM store_state) WHERE status IN (1, 3, 4, 5);
            """ + archiveSQL,
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
            """ + archiveSQL

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
            sql: "INSERT INTO store_state VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", arguments: StoreState().columns)
    }
}
