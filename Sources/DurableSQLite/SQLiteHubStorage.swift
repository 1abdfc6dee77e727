package import DurableBackend
package import DurableCore
internal import Foundation
internal import GRDB

/// Makes and removes the files of a hub: `hub.sqlite` and one `partition-<index>.sqlite` each, in one directory.
package struct SQLiteHubStorage: HubStorage {
    private let directory: String?
    private let options: SQLiteOptions
    private let random: @Sendable () -> UInt64
    private var files: any FileSystem { options.files }

    /// - Parameter directory: Absolute path; nil: the one that the descriptor names.
    /// - Parameter random: Gives numbers that nobody else has.
    package init(
        directory: String? = nil, options: SQLiteOptions = SQLiteOptions(),
        random: @escaping @Sendable () -> UInt64 = { .random(in: 0 ... .max) }
    ) {
        self.directory = directory
        self.options = options
        self.random = random
    }

    /// Each file is made under another name and gets its own once it is whole, so that none is ever half made;
    /// `hub.sqlite` first, so that two hubs cannot share a directory.
    ///
    /// - Throws: also `.missing` when a partition file of a hub that was made completely is gone.
    package func create(_ descriptor: HubDescriptor) throws(StoreError) {
        try create(descriptor) { _, _ in }
    }

    package func create(
        _ descriptor: HubDescriptor, filling fill: (PartitionID, any PartitionStore) throws(StoreError) -> Void
    ) throws(StoreError) {
        let directory = directory ?? descriptor.dataDirectory
        try files.makeDirectory(directory)
        let existing = try partitions(of: descriptor, in: directory)
        let hubPath = Self.hubPath(in: directory)
        if !existing.isEmpty, try !files.exists(hubPath) {
            throw .missing(
                "\(hubPath) is gone although partition files of a hub are beside it. Nothing was changed. "
                    + "Restore it from a backup, or move the others away")
        }
        try make(hubPath, kind: .hub, schema: HubSchema.sql) { try HubSchema.initialize($0, descriptor) }
        let hub = try Self.openHub(descriptor, directory, options)
        defer { hub.close() }
        let isComplete = try hub.read(HubSchema.isComplete)
        for index in 0..<descriptor.partitionCount {
            let partition = PartitionID(index)
            let path = SQLiteStorage.path(of: partition, in: directory)
            if !isComplete {
                try make(path, kind: .partition, schema: PartitionSchema.sql) { database in
                    try PartitionSchema.initialize(
                        database, descriptor, partition, incarnation: max(1, random()))
                } filling: { file throws(StoreError) in
                    try fill(partition, SQLiteStore(file, use: .filling))
                }
            }
            // What was there before counts only if it is ours.
            try open(partition, of: descriptor, in: directory).close()
        }
        try files.synchronize(directory)
        try hub.write { try $0.execute(sql: "UPDATE hub SET is_complete = 1") }
    }

    package func copy(
        _ partition: PartitionID, of descriptor: HubDescriptor, to directory: String
    ) throws(StoreError) -> OpenPartition {
        let target = SQLiteStorage.path(of: partition, in: directory)
        for suffix in ["", "-wal", "-shm"] { try files.remove(target + suffix) }
        let source = SQLiteStorage(
            descriptor: descriptor, directory: self.directory ?? descriptor.dataDirectory, options: options)
        try source.copy(partition, to: target)
        return try SQLiteStorage(descriptor: descriptor, directory: directory, options: options).open(partition)
    }

    /// Removes partition files before `hub.sqlite`, so that a removal cut short can be repeated.
    package func remove(_ descriptor: HubDescriptor) throws(StoreError) {
        let directory = directory ?? descriptor.dataDirectory
        let hubPath = Self.hubPath(in: directory)
        let existing = try partitions(of: descriptor, in: directory)
        if try files.exists(hubPath) { try Self.openHub(descriptor, directory, options).close() }
        for partition in existing {
            do {
                try open(partition, of: descriptor, in: directory).close()
            } catch .damaged {
                // Still ours by its header: a damaged partition is a reason to remove a hub.
            }
        }
        for path in existing.map({ SQLiteStorage.path(of: $0, in: directory) }) + [hubPath] {
            for suffix in ["", "-wal", "-shm"] { try files.remove(path + suffix) }
        }
        files.removeIfEmpty(directory)
    }

    /// The hub whose files are in `directory`; the embedded mode starts from it.
    ///
    /// - Returns: nil when there is no `hub.sqlite`.
    package static func descriptor(in directory: String) throws(StoreError) -> HubDescriptor? {
        let options = SQLiteOptions()
        guard try options.files.exists(hubPath(in: directory)) else { return nil }
        let file = try DatabaseFile(opening: hubPath(in: directory), kind: .hub, options: options)
        defer { file.close() }
        return try file.read(HubSchema.descriptor)
    }

    /// - Throws: `.foreign` when the file is another hub's.
    static func openHub(
        _ descriptor: HubDescriptor, _ directory: String, _ options: SQLiteOptions = SQLiteOptions()
    ) throws(StoreError) -> DatabaseFile {
        let path = hubPath(in: directory)
        let file = try DatabaseFile(opening: path, kind: .hub, options: options)
        do {
            let found = try file.read(HubSchema.descriptor)
            guard found.hubID == descriptor.hubID else {
                throw StoreError.foreign(
                    "\(directory) holds the files of hub \"\(found.hub)\" (\(found.hubID)), not of "
                        + "hub \"\(descriptor.hub)\" (\(descriptor.hubID)). Nothing was changed: use another directory")
            }
            guard found.partitionCount == descriptor.partitionCount else {
                throw StoreError.foreign(
                    "\(path) says that hub \"\(found.hub)\" has \(found.partitionCount) partitions, "
                        + "not \(descriptor.partitionCount). Nothing was changed")
            }
            return file
        } catch {
            file.close()
            throw StoreError(error, path: path)
        }
    }

    /// - Throws: `.foreign` when the file is another hub's or another partition's.
    private func open(
        _ partition: PartitionID, of descriptor: HubDescriptor, in directory: String
    ) throws(StoreError) -> any PartitionStore {
        try SQLiteStorage(descriptor: descriptor, directory: directory, options: options).open(partition).store
    }

    private static func hubPath(in directory: String) -> String { "\(directory)/hub.sqlite" }

    /// Partitions that have a file, whosever it is.
    private func partitions(
        of descriptor: HubDescriptor, in directory: String
    ) throws(StoreError) -> [PartitionID] {
        var partitions: [PartitionID] = []
        for index in 0..<descriptor.partitionCount {
            let partition = PartitionID(index)
            if try files.exists(SQLiteStorage.path(of: partition, in: directory)) { partitions.append(partition) }
        }
        return partitions
    }

    /// Makes `path` with `schema` and what `fill` and `filling` add, one after the other, unless there is something of
    /// that name.
    func make(
        _ path: String, kind: DatabaseFile.Kind, schema: String, fill: (Database) throws -> Void,
        filling: (DatabaseFile) throws(StoreError) -> Void = { _ in }
    ) throws(StoreError) {
        if try files.exists(path) { return }
        let temporary = "\(path).\(random()).new"
        do {
            let file = try DatabaseFile(making: temporary, kind: kind, schema: schema, options: options, fill: fill)
            do throws(StoreError) {
                try filling(file)
            } catch {
                file.close()
                throw error
            }
            // The last connection's close leaves one whole file without a write-ahead log.
            file.close()
            guard try !files.exists(temporary + "-wal") else {
                throw StoreError.unavailable("\(path) could not be made whole. Try again")
            }
            _ = try files.publish(temporary, as: path)
        } catch {
            for suffix in ["", "-wal", "-shm"] { try? files.remove(temporary + suffix) }
            throw StoreError(error, path: path)
        }
    }
}
