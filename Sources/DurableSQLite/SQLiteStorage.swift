package import DurableBackend
package import DurableCore
internal import GRDB

/// Opens a hub's partition files, `partition-<index>.sqlite` in its data directory.
///
/// Several processes, and several owners in one, may have a file open at a time: each write takes the file's write
/// lock, then checks the epoch, so that only the newest owner's are kept.
package struct SQLiteStorage: PartitionStorage {
    private let descriptor: HubDescriptor
    private let directory: String
    private let options: SQLiteOptions

    /// - Parameter directory: Absolute path, where this hub's files were made.
    package init(descriptor: HubDescriptor, directory: String, options: SQLiteOptions = SQLiteOptions()) {
        self.descriptor = descriptor
        self.directory = directory
        self.options = options
    }

    package func open(_ partition: PartitionID) throws(StoreError) -> OpenPartition {
        let file = try openFile(of: partition)
        return OpenPartition(log: SQLiteLog(file), store: SQLiteStore(file))
    }

    /// Writes everything the file holds at this moment into a new one.
    func copy(_ partition: PartitionID, to path: String) throws(StoreError) {
        let file = try openFile(of: partition)
        defer { file.close() }
        // One read transaction; writers go on (https://www.sqlite.org/lang_vacuum.html).
        try file.read { try $0.execute(sql: "VACUUM INTO ?", arguments: [path]) }
    }

    private func openFile(of partition: PartitionID) throws(StoreError) -> DatabaseFile {
        let path = Self.path(of: partition, in: directory)
        let file: DatabaseFile
        do {
            file = try DatabaseFile(opening: path, kind: .partition, options: options)
        } catch .missing(let text) {
            throw .missing(
                "\(text): hub \"\(descriptor.hub)\" (\(descriptor.hubID)) keeps partition \(partition) "
                    + "there. Mount the volume that holds it, or restore it from a backup")
        }
        do {
            try file.readTogether { database in
                try PartitionIdentity.read(database).check(path, descriptor, partition)
            }
        } catch {
            file.close()
            throw error
        }
        return file
    }

    static func path(of partition: PartitionID, in directory: String) -> String {
        "\(directory)/partition-\(partition).sqlite"
    }
}
