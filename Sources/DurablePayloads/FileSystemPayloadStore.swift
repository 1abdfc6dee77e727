import DurableCore
import Foundation

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Keeps payloads as files of a directory that every worker and client of the hub sees under the same path or another:
/// one host, or a shared file system with POSIX renames.
///
/// A file is written under another name, synchronized, and renamed, so that readers see all of it or nothing. The
/// directory may be copied while workers run; copies belong to the backups of the hub.
public struct FileSystemPayloadStore: PayloadStore {
    private let directory: String
    private let threads: FileThreads

    /// - Parameter directory: Made with the first payload, readable for this user alone.
    public init(directory: String) {
        self.directory = directory.count > 1 && directory.hasSuffix("/") ? String(directory.dropLast()) : directory
        threads = FileThreads()
    }

    public var description: String { directory }

    public func put(_ content: [UInt8], as key: String) async throws {
        let path = try self.path(of: key)
        try await threads.run { try Self.save(content, as: path) }
    }

    public func get(_ key: String) async throws -> [UInt8]? {
        let path = try self.path(of: key)
        return try await threads.run { try Self.content(of: path) }
    }

    public func removeAll(under prefix: String) async throws {
        let path = try self.path(of: prefix)
        let top = directory.utf8.count
        try await threads.run {
            try Self.remove(path)
            // Folders that nothing is left in.
            var folder = path[...]
            while let slash = folder.lastIndex(of: "/") {
                folder = folder[..<slash]
                if folder.utf8.count <= top || rmdir(String(folder)) != 0 { break }
            }
        }
    }

    private static func remove(_ path: String) throws {
        // Somebody may be adding to it: what is added after its listing needs another round.
        for round in 1... {
            do {
                return try FileManager.default.removeItem(atPath: path)
            } catch CocoaError.fileNoSuchFile, CocoaError.fileReadNoSuchFile {
                if access(path, F_OK) != 0 { return }
                if round == 3 { throw PayloadStoreError("\(path) does not go away") }
            } catch {
                if round == 3 {
                    throw PayloadStoreError("\(path) cannot be deleted: \(error.localizedDescription)")
                }
            }
        }
    }

    private func path(of key: String) throws -> String {
        guard StoredPayload.isUsable(key: key) else { throw PayloadStoreError("\"\(key.prefix(100))\" is no key") }
        return "\(directory)/\(key)"
    }

    // MARK: - Files, on a thread of the store's own

    private static func save(_ content: [UInt8], as path: String) throws {
        let folder = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
        let temporary = "\(folder)/.\(UUID().uuidString)"
        // A folder may be deleted between its making and its use, when another run of its instance is purged.
        for attempt in 1... {
            try make(folder)
            let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
            if file < 0, errno == ENOENT, attempt < 5 { continue }
            guard file >= 0 else { throw failure("create", temporary) }
            do {
                defer { close(file) }
                try writeAll(content, to: file, temporary)
                guard fsync(file) == 0 else { throw failure("synchronize", temporary) }
            } catch {
                unlink(temporary)
                throw error
            }
            if rename(temporary, path) == 0 { return try synchronize(folder) }
            let reason = failure("rename", temporary)
            let isGone = errno == ENOENT
            unlink(temporary)
            if !isGone || attempt == 5 { throw reason }
        }
    }

    private static func writeAll(_ content: [UInt8], to file: Int32, _ path: String) throws {
        try content.withUnsafeBytes { bytes in
            var written = 0
            while written < bytes.count {
                let count = write(file, bytes.baseAddress.map { $0 + written }, bytes.count - written)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw failure("write", path) }
                written += count
            }
        }
    }

    /// Makes a folder with those above it. Each that is new is synchronized into its parent.
    private static func make(_ folder: String) throws {
        if mkdir(folder, 0o700) == 0 { return try synchronizeParent(of: folder) }
        switch errno {
        case EEXIST: return
        case ENOENT:
            guard let slash = folder.lastIndex(of: "/"), slash > folder.startIndex else {
                throw failure("make", folder)
            }
            try make(String(folder[..<slash]))
            guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { throw failure("make", folder) }
            try synchronizeParent(of: folder)
        default: throw failure("make", folder)
        }
    }

    private static func synchronizeParent(of folder: String) throws {
        guard let slash = folder.lastIndex(of: "/") else { return try synchronize(".") }
        try synchronize(slash == folder.startIndex ? "/" : String(folder[..<slash]))
    }

    private static func synchronize(_ folder: String) throws {
        let directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw failure("open", folder) }
        defer { close(directory) }
        // Some network file systems know no such thing for directories.
        guard fsync(directory) == 0 || errno == EINVAL else { throw failure("synchronize", folder) }
    }

    private static func content(of path: String) throws -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        if file < 0, errno == ENOENT { return nil }
        guard file >= 0 else { throw failure("open", path) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw failure("look at", path) }
        guard status.st_size <= Int(Int32.max) else { throw PayloadStoreError("\(path) has \(status.st_size) bytes") }
        var content = [UInt8](repeating: 0, count: Int(status.st_size))
        var position = 0
        while position < content.count {
            let count = content.withUnsafeMutableBytes { bytes in
                read(file, bytes.baseAddress.map { $0 + position }, bytes.count - position)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure("read", path) }
            // Shorter than it was: the reader's check says that it is damaged.
            if count == 0 { return Array(content[..<position]) }
            position += count
        }
        return content
    }

    private static func failure(_ action: String, _ path: String) -> PayloadStoreError {
        PayloadStoreError("cannot \(action) \(path): \(String(cString: strerror(errno)))")
    }
}

/// A few threads that may block, for files.
private final class FileThreads: Sendable {
    private let queues = (1...4).map { DispatchQueue(label: "dtq.payloads.\($0)") }
    private let next = PlatformLock(0)

    func run<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        let index = next.withLock { next in
            next = (next + 1) % queues.count
            return next
        }
        return try await withCheckedThrowingContinuation { continuation in
            queues[index].async { continuation.resume(with: Swift.Result(catching: body)) }
        }
    }
}
