package import DurableBackend
package import DurableCore
internal import GRDB

/// One worker's copies, `copy-<index>.sqlite` in a directory that this process has locked.
package final class SQLiteCopies: PartitionCopies {
    private let descriptor: HubDescriptor
    /// Absolute path.
    package let directory: String
    private let lock: Int32
    private let note: @Sendable (String) -> Void

    private static var options: SQLiteOptions { SQLiteOptions(isDurable: false) }

    /// Takes `directory` for this process, making it when it is not there.
    ///
    /// - Parameter note: Told why a copy that was there is made anew.
    /// - Throws: `.unavailable` when another process has it.
    package convenience init(
        descriptor: HubDescriptor, directory: String, note: @escaping @Sendable (String) -> Void = { _ in }
    ) throws(StoreError) {
        try SystemFileSystem().makeDirectory(directory)
        guard let lock = try SystemFileSystem.lock(Self.lockPath(in: directory)) else {
            throw .unavailable(
                "\(directory) is in use by another worker. Each worker needs a directory of its own: choose another "
                    + "one with --data (DTQ_DATA), or leave the option out")
        }
        self.init(descriptor, directory, lock, note)
    }

    /// Takes the first free one of `<parent>/0`, `<parent>/1` ..., so that a worker that starts again finds the copies
    /// of one that has ended.
    package convenience init(
        descriptor: HubDescriptor, anyIn parent: String, note: @escaping @Sendable (String) -> Void = { _ in }
    ) throws(StoreError) {
        var number = 0
        while true {
            let directory = "\(parent)/\(number)"
            try SystemFileSystem().makeDirectory(directory)
            if let lock = try SystemFileSystem.lock(Self.lockPath(in: directory)) {
                self.init(descriptor, directory, lock, note)
                return
            }
            number += 1
        }
    }

    private init(
        _ descriptor: HubDescriptor, _ directory: String, _ lock: Int32, _ note: @escaping @Sendable (String) -> Void
    ) {
        self.descriptor = descriptor
        self.directory = directory
        self.lock = lock
        self.note = note
    }

    deinit { SystemFileSystem.unlock(lock) }

    package func open(_ partition: PartitionID) throws(StoreError) -> any PartitionCopy {
        do {
            if try SystemFileSystem().exists(path(of: partition)) { return try openFile(of: partition) }
        } catch {
            switch error {
            case .damaged(let text), .foreign(let text):
                // What it held is in the log.
                note("\(text). It is a copy: it is removed and filled anew")
                for suffix in ["", "-wal", "-shm"] { try SystemFileSystem().remove(path(of: partition) + suffix) }
            default: throw error
            }
        }
        let maker = SQLiteHubStorage(directory: directory, options: Self.options)
        try maker.make(path(of: partition), kind: .copy, schema: PartitionSchema.copySQL) { database in
            // The log says which incarnation it is.
            try PartitionSchema.initialize(database, descriptor, partition, incarnation: 0)
        }
        return try openFile(of: partition)
    }

    private func openFile(of partition: PartitionID) throws(StoreError) -> SQLiteStore {
        let path = path(of: partition)
        let file = try DatabaseFile(opening: path, kind: .copy, options: Self.options)
        do throws(StoreError) {
            try file.readTogether { database in
                try PartitionIdentity.read(database).check(path, descriptor, partition)
                // Damage to what a flush rewrites whole shows here rather than when the partition is served.
                _ = try BookmarkTable.read(database)
                _ = try StoreState.read(database)
            }
        } catch {
            file.close()
            throw error
        }
        return SQLiteStore(file, use: .copy, options: Self.options)
    }

    private func path(of partition: PartitionID) -> String { "\(directory)/copy-\(partition).sqlite" }
    private static func lockPath(in directory: String) -> String { "\(directory)/lock" }
}
