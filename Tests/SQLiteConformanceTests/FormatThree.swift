import GRDB

/// Files of the format before this one.
enum FormatThree {
    /// What makes a file of that format of one of this one.
    static let downgradeSQL = """
        DROP INDEX instances_by_name; DROP INDEX instances_by_parent; DROP INDEX instances_by_age; DROP TABLE tags;
        ALTER TABLE instances DROP COLUMN end_is_exact; ALTER TABLE instances DROP COLUMN ended_at;
        ALTER TABLE instances DROP COLUMN parent; ALTER TABLE instances DROP COLUMN tags;
        ALTER TABLE store_state DROP COLUMN expired_before;
        """

    /// The statements that programs of that format made a partition's file with; comments are left out.
    private static let schemaSQL = """
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
        CREATE TABLE log_state (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            epoch_generation INTEGER NOT NULL,
            epoch_offset INTEGER NOT NULL,
            checksum INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE log (
            position INTEGER PRIMARY KEY,
            epoch_generation INTEGER NOT NULL,
            epoch_offset INTEGER NOT NULL,
            record BLOB NOT NULL,
            checksum INTEGER NOT NULL
        ) STRICT;
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
        CREATE TABLE sent (
            destination INTEGER NOT NULL,
            sequence INTEGER NOT NULL,
            id INTEGER NOT NULL,
            entry BLOB NOT NULL,
            checksum INTEGER NOT NULL,
            PRIMARY KEY (destination, sequence)
        ) STRICT, WITHOUT ROWID;
        """

    /// Makes a file at `path` as those programs did, with the rows that the one at `source` has in the columns they knew.
    static func make(_ path: String, from source: String) throws {
        let database = try DatabaseQueue(path: path)
        defer { try? database.close() }
        try database.writeWithoutTransaction { database in
            try database.execute(sql: "PRAGMA journal_mode = WAL")
            try database.inTransaction(.immediate) {
                try database.execute(sql: schemaSQL)
                try database.execute(sql: "PRAGMA application_id = \(0x6474_7150)")
                try database.execute(sql: "PRAGMA user_version = 3")
                return .commit
            }
            try database.execute(sql: "ATTACH ? AS source", arguments: [source])
            for table in try String.fetchAll(database, sql: "SELECT name FROM main.sqlite_schema WHERE type = 'table'")
            {
                let columns = try String.fetchAll(
                    database, sql: "SELECT name FROM pragma_table_info(?, 'main')", arguments: [table]
                ).joined(separator: ", ")
                try database.execute(
                    sql: "INSERT INTO main.\(table) (\(columns)) SELECT \(columns) FROM source.\(table)")
            }
            try database.execute(sql: "DETACH source")
        }
    }

    /// Tables, their columns and indexes of a file, in an order that does not depend on how it came to be.
    static func layout(of path: String) throws -> [String] {
        let database = try DatabaseQueue(path: path)
        defer { try? database.close() }
        return try database.read { database in
            try String.fetchAll(
                database,
                sql: """
                    SELECT s.name || ' ' || c.name || ' ' || c.type || ' ' || c."notnull" || ' ' || c.pk || ' '
                        || ifnull(c.dflt_value, '')
                    FROM sqlite_schema AS s, pragma_table_info(s.name) AS c WHERE s.type = 'table'
                    UNION ALL
                    SELECT s.tbl_name || ' ' || s.name || ' ' || c.seqno || ' ' || ifnull(c.name, '') || ' '
                        || ifnull(substr(s.sql, instr(s.sql, ' WHERE ')), '')
                    FROM sqlite_schema AS s, pragma_index_info(s.name) AS c WHERE s.type = 'index'
                    ORDER BY 1
                    """)
        }
    }
}
