internal import DurableBackend
internal import DurableCore
internal import Foundation
internal import GRDB

/// One of our SQLite files, open: its only connection, and what SQLite reports translated for operators.
///
/// Calls run on the caller's thread, one at a time (the connection's serial queue is entered synchronously).
///
/// The file is never opened by anything but SQLite: closing a second descriptor would drop this process's locks on
/// it (https://www.sqlite.org/howtocorrupt.html, section 2.2).
final class DatabaseFile: Sendable {
    let path: String
    private let connection: DatabaseQueue
    private let isClosed = PlatformLock(false)
    /// One transaction for as long as it is open: everything read is of the time it began.
    private let isFrozen: Bool

    /// What makes a file of the next format.
    struct Upgrade: Sendable {
        var sql: String
        /// What SQL alone cannot.
        var finish: @Sendable (Database) throws -> Void = { _ in }
    }

    /// What a file is for; written into its header when it is made, checked when it is opened.
    struct Kind: Sendable {
        /// In texts, such as "partition file".
        var title: String
        var applicationID: Int32
        /// Format we write and the newest we read.
        var version: Int { upgrades.count + 1 }
        /// What makes a file of the next format of one of each older format, the first from 1 to 2.
        var upgrades: [Upgrade] = []

        static let partition = Kind(
            title: "partition file", applicationID: 0x6474_7150, upgrades: PartitionSchema.upgrades)
        static let copy = Kind(
            title: "copy of a partition", applicationID: 0x6474_7143, upgrades: PartitionSchema.copyUpgrades)
        static let hub = Kind(title: "hub file", applicationID: 0x6474_7148)
    }

    /// Opens a file that exists already and is of the given kind.
    ///
    /// - Throws: `.missing`, `.foreign`, `.damaged`, `.unavailable`; the file is left as it is.
    ///
    /// - Parameter isFrozen: Only for reading, and as the file is now, whatever is written to it by others.
    init(opening path: String, kind: Kind, options: SQLiteOptions, isFrozen: Bool = false) throws(StoreError) {
        guard try options.files.exists(path) else {
            throw .missing("there is no file \(path). No empty one was made in its place")
        }
        self.path = path
        self.isFrozen = isFrozen
        do {
            connection = try Self.connect(to: path, options)
            try connection.writeWithoutTransaction { database in
                try Self.checkHeader(of: database, kind, path)
                guard isFrozen else { return }
                // A transaction sees what was there at its first read.
                try database.execute(sql: "PRAGMA query_only = ON; BEGIN DEFERRED")
                _ = try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_schema")
            }
        } catch let error as DatabaseError where error.resultCode == .SQLITE_NOTADB {
            throw .foreign(
                "\(path) is no SQLite database, so it is no \(kind.title) of ours. It was left as it is: "
                    + "move it away and put the right file in its place")
        } catch {
            throw StoreError(error, path: path)
        }
    }

    /// Makes a file of the given kind, to be closed and then given its final name.
    init(
        making path: String, kind: Kind, schema: String, options: SQLiteOptions, fill: (Database) throws -> Void
    ) throws(StoreError) {
        self.path = path
        isFrozen = false
        do {
            connection = try Self.connect(to: path, options)
            try connection.writeWithoutTransaction { database in
                try database.execute(sql: "PRAGMA journal_mode = WAL")
                try database.inTransaction(.immediate) {
                    try database.execute(sql: schema)
                    try fill(database)
                    try database.execute(sql: "PRAGMA application_id = \(kind.applicationID)")
                    try database.execute(sql: "PRAGMA user_version = \(kind.version)")
                    return .commit
                }
            }
        } catch {
            throw StoreError(error, path: path)
        }
    }

    /// One statement, or several that need no common view of the file.
    func read<Value>(_ body: (Database) throws -> Value) throws(StoreError) -> Value {
        try access { try connection.writeWithoutTransaction(body) }
    }

    /// Several statements that see the same state of the file whatever other processes commit meanwhile.
    func readTogether<Value>(_ body: (Database) throws -> Value) throws(StoreError) -> Value {
        if isFrozen { return try read(body) }
        return try transaction("BEGIN DEFERRED", body)
    }

    /// Runs `body` as one durable transaction. The write lock is taken first, so that what it reads (the epoch above
    /// all) still holds when it commits, whichever processes have the file open.
    func write<Value>(_ body: (Database) throws -> Value) throws(StoreError) -> Value {
        precondition(!isFrozen, "a frozen file is only read")
        return try transaction("BEGIN IMMEDIATE", body)
    }

    /// Idempotent. The last connection that closes moves the write-ahead log into the main file.
    func close() {
        let wasClosed = isClosed.withLock { isClosed in
            defer { isClosed = true }
            return isClosed
        }
        // Nothing can be lost here: what was committed is in the write-ahead log already.
        if !wasClosed { try? connection.close() }
    }

    private func transaction<Value>(
        _ begin: String, _ body: (Database) throws -> Value
    ) throws(StoreError) -> Value {
        try access {
            try connection.writeWithoutTransaction { database in
                // A rollback that failed is made up for before anything else.
                if database.isInsideTransaction { try database.rollback() }
                try database.cachedStatement(sql: begin).execute()
                do {
                    let value = try body(database)
                    try database.cachedStatement(sql: "COMMIT").execute()
                    return value
                } catch {
                    // SQLite rolls some transactions back itself (disk full, I/O error); the first error is the cause.
                    if database.isInsideTransaction { try? database.rollback() }
                    throw error
                }
            }
        }
    }

    private func access<Value>(_ body: () throws -> Value) throws(StoreError) -> Value {
        if isClosed.withLock({ $0 }) { throw .unavailable("\(path) was closed") }
        do {
            return try body()
        } catch {
            throw StoreError(error, path: path)
        }
    }
}

extension DatabaseFile {
    private static func connect(to path: String, _ options: SQLiteOptions) throws -> DatabaseQueue {
        let configuration = configuration(options)
        guard let vfs = options.files.sqliteVFS else {
            return try DatabaseQueue(path: path, configuration: configuration)
        }
        // https://www.sqlite.org/uri.html
        let escaped = path.addingPercentEncoding(withAllowedCharacters: .urlPathAllowed) ?? path
        return try DatabaseQueue(path: "file:\(escaped)?vfs=\(vfs)", configuration: configuration)
    }

    /// `synchronous = FULL`: every commit is on disk before it returns. Flushes could do with less (a lost flush leaves
    /// the log rows it would have trimmed), but one fsync every 250 ms is not worth a mode that could stay on.
    /// `secure_delete`: Debian's SQLite overwrites what it deletes unless told not to, and every log record is deleted.
    /// A copy may lose its last flushes with the machine: it is read from the log again.
    private static func configuration(_ options: SQLiteOptions) -> Configuration {
        var configuration = Configuration()
        configuration.foreignKeysEnabled = false
        configuration.allowsUnsafeTransactions = true  // no crash when a rollback fails
        configuration.busyMode = .timeout(options.busyTimeoutSeconds)
        configuration.prepareDatabase { database in
            try database.execute(
                sql: """
                    PRAGMA synchronous = \(options.isDurable ? "FULL" : "NORMAL");
                    PRAGMA fullfsync = ON;
                    PRAGMA checkpoint_fullfsync = ON;
                    PRAGMA secure_delete = OFF;
                    PRAGMA cell_size_check = ON;
                    PRAGMA trusted_schema = OFF;
                    PRAGMA temp_store = MEMORY;
                    PRAGMA cache_size = -\(options.cacheKibibytes);
                    PRAGMA wal_autocheckpoint = \(options.checkpointAfterPages);
                    PRAGMA journal_size_limit = 67108864;
                    """)
        }
        return configuration
    }

    private static func checkHeader(of database: Database, _ kind: Kind, _ path: String) throws {
        guard try Int.fetchOne(database, sql: "PRAGMA page_count") != 0 else {
            throw StoreError.damaged("\(path) is empty. \(Remedy.restore)")
        }
        let applicationID = try Int32.fetchOne(database, sql: "PRAGMA application_id") ?? 0
        guard applicationID == kind.applicationID else {
            throw StoreError.foreign(
                "\(path) is an SQLite database, but no \(kind.title) of ours (application ID "
                    + "\(applicationID)). It was left as it is: move it away and put the right file in its place")
        }
        let version = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
        guard (1...kind.version).contains(version) else {
            throw StoreError.foreign(
                "\(path) has format \(version); this program reads formats up to "
                    + "\(kind.version). The file was left as it is: run a newer version of the program")
        }
        if version < kind.version { try upgrade(database, to: kind) }
        // Copies made by some backup tools lose the mode; two processes may only share the file in this one.
        if try String.fetchOne(database, sql: "PRAGMA journal_mode") != "wal" {
            try database.execute(sql: "PRAGMA journal_mode = WAL")
        }
    }

    /// Another process may do the same at the same time: the version is read again under the write lock.
    private static func upgrade(_ database: Database, to kind: Kind) throws {
        try database.inTransaction(.immediate) {
            let version = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? kind.version
            for upgrade in kind.upgrades.dropFirst(version - 1) {
                try database.execute(sql: upgrade.sql)
                try upgrade.finish(database)
            }
            try database.execute(sql: "PRAGMA user_version = \(kind.version)")
            return .commit
        }
    }
}
