package import DurableBackend

/// The few things we do with files besides SQLite, and what SQLite shall reach them through.
package protocol FileSystem: Sendable {
    /// Name of the registered SQLite VFS (https://www.sqlite.org/vfs.html) that has the same files; nil: SQLite's own.
    var sqliteVFS: String? { get }

    /// - Throws: `.unavailable` when it cannot be known, for lack of permission say.
    func exists(_ path: String) throws(StoreError) -> Bool

    /// Makes the directory and those above it; only its owner may enter (histories hold users' data).
    func makeDirectory(_ path: String) throws(StoreError)

    /// Gives `temporary` its final name unless that is taken, in which case nothing changes. Removes `temporary`.
    ///
    /// - Returns: Whether the name was free.
    func publish(_ temporary: String, as path: String) throws(StoreError) -> Bool

    /// Makes new and removed names in `directory` durable.
    func synchronize(_ directory: String) throws(StoreError)

    /// A file that is not there counts as removed.
    func remove(_ path: String) throws(StoreError)

    /// A directory that holds something else stays.
    func removeIfEmpty(_ directory: String)
}
