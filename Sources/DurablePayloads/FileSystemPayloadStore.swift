import DurableCore

/// Keeps payloads as files of a directory that every worker and client of the hub sees under the same path or another:
/// one host, or a shared file system with POSIX renames.
///
/// A file is written under another name, synchronized, and renamed, so that readers see all of it or nothing. The
/// directory may be copied while workers run; copies belong to the backups of the hub.
public struct FileSystemPayloadStore: PayloadStore {
    private let directory: String
    private let files: StoreFiles

    /// - Parameter directory: Made with the first payload, readable for this user alone.
    public init(directory: String) { self.init(directory: directory) { _ in } }

    /// - Parameter willSynchronize: Told of each file and folder before it is synchronized.
    package init(directory: String, willSynchronize: @escaping @Sendable (_ path: String) -> Void) {
        self.directory = directory.count > 1 && directory.hasSuffix("/") ? String(directory.dropLast()) : directory
        files = StoreFiles(root: self.directory, willSynchronize: willSynchronize)
    }

    public var description: String { directory }

    public func put(_ content: [UInt8], as key: String) async throws {
        let (path, files) = (try self.path(of: key), files)
        try await files.threads.run { try files.save(content, as: path) }
    }

    public func get(_ key: String, size: Int) async throws -> [UInt8]? {
        let path = try self.path(of: key)
        return try await files.threads.run { try StoreFiles.content(of: path, upTo: size) }
    }

    public func removeAll(under prefix: String) async throws {
        let (path, files) = (try self.path(of: prefix), files)
        try await files.threads.run { try files.remove(path) }
    }

    private func path(of key: String) throws -> String {
        guard StoredPayload.isUsable(key: key) else { throw PayloadStoreError("\"\(key.prefix(100))\" is no key") }
        return "\(directory)/\(key)"
    }
}
