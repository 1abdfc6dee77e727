import DurableCore
import Foundation

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What a payload store does with files. All of it blocks: for `threads` alone.
final class StoreFiles: Sendable {
    let threads = FileThreads()
    private let root: String
    private let willSynchronize: @Sendable (String) -> Void
    /// Folders that are in their parents for good, as are those above them. A folder that was deleted and made again by
    /// others has another identity, as a rule; those of runs are never made again.
    private let settled = PlatformLock<[String: FileIdentity]>([:])
    private static let settledLimit = 4096

    init(root: String, willSynchronize: @escaping @Sendable (String) -> Void) {
        self.root = root
        self.willSynchronize = willSynchronize
    }

    func save(_ content: [UInt8], as path: String) throws {
        // A folder may be deleted between its making and its use, when another run of its instance is purged.
        for attempt in 1... {
            do {
                return try saveOnce(content, as: path)
            } catch let failure as FileFailure {
                guard failure.code == ENOENT, attempt < 5 else { throw failure }
            }
        }
    }

    private func saveOnce(_ content: [UInt8], as path: String) throws {
        let folder = Self.parent(of: path)
        let temporary = "\(folder)/.\(UUID().uuidString)"
        try settle(folder)
        let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw FileFailure(errno, "create", temporary) }
        do {
            do {
                defer { close(file) }
                try Self.writeAll(content, to: file, temporary)
                willSynchronize(temporary)
                guard fsync(file) == 0 else { throw FileFailure(errno, "synchronize", temporary) }
            }
            guard rename(temporary, path) == 0 else { throw FileFailure(errno, "rename", temporary) }
        } catch {
            unlink(temporary)
            throw error
        }
        try synchronize(folder)
    }

    /// Removes a file, or a folder with all in it; then the folders above that nothing is left in.
    func remove(_ path: String) throws {
        settled.withLock { settled in settled = settled.filter { !($0.key + "/").hasPrefix(path + "/") } }
        try removeAll(path)
        var folder = Self.parent(of: path)
        while folder.utf8.count > root.utf8.count {
            settled.withLock { $0[folder] = nil }
            guard rmdir(folder) == 0 else { return }
            folder = Self.parent(of: folder)
        }
    }

    private func removeAll(_ path: String) throws {
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

    /// - Parameter size: Nothing past one byte more than this is read; nil: all of it is.
    /// - Returns: nil when there is no such file.
    static func content(of path: String, upTo size: Int?) throws -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        if file < 0 {
            let code = errno
            if code == ENOENT { return nil }
            throw FileFailure(code, "open", path)
        }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw FileFailure(errno, "look at", path) }
        let limit = size.map { min(max($0, 0), Int(Int32.max)) + 1 } ?? Int(Int32.max)
        var content = [UInt8](repeating: 0, count: min(Int(status.st_size), limit))
        var position = 0
        while position < content.count {
            let count = content.withUnsafeMutableBytes { bytes in
                read(file, bytes.baseAddress.map { $0 + position }, bytes.count - position)
            }
            if count < 0 {
                let code = errno
                if code == EINTR { continue }
                throw FileFailure(code, "read", path)
            }
            // Shorter than it was: the reader's check says that it is damaged.
            if count == 0 { return Array(content[..<position]) }
            position += count
        }
        return content
    }

    private static func writeAll(_ content: [UInt8], to file: Int32, _ path: String) throws {
        try content.withUnsafeBytes { bytes in
            var written = 0
            while written < bytes.count {
                let count = write(file, bytes.baseAddress.map { $0 + written }, bytes.count - written)
                if count < 0 {
                    let code = errno
                    if code == EINTR { continue }
                    throw FileFailure(code, "write", path)
                }
                guard count > 0 else { throw FileFailure(EIO, "write", path) }
                written += count
            }
        }
    }

    // MARK: - Folders

    /// Makes a folder with those above it, and sees to it that each is in its parent for good, whoever made it: another
    /// process may have made it just now, and die with this machine before it has synchronized it.
    private func settle(_ folder: String) throws {
        if let known = settled.withLock({ $0[folder] }), known == FileIdentity(folder) { return }
        let isInside = folder.hasPrefix(root + "/")
        let parent = Self.parent(of: folder)
        if isInside { try settle(parent) }
        var wasMade = mkdir(folder, 0o700) == 0
        if !wasMade {
            var code = errno
            if code == ENOENT, !isInside, parent != folder {
                try settle(parent)
                wasMade = mkdir(folder, 0o700) == 0
                code = wasMade ? 0 : errno
            }
            guard wasMade || code == EEXIST else { throw FileFailure(code, "make", folder) }
        }
        // Taken before it is synchronized: should it be deleted and made again meanwhile, that is another one.
        let identity = FileIdentity(folder)
        do {
            try synchronize(parent)
        } catch let failure as FileFailure {
            // What is above the store may be for others to read; if this process did not write there, so be it.
            guard failure.code == EACCES, !wasMade, !isInside else { throw failure }
        }
        settled.withLock { settled in
            if settled.count >= Self.settledLimit { settled.removeAll() }
            settled[folder] = identity
        }
    }

    private static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private func synchronize(_ folder: String) throws {
        willSynchronize(folder)
        let directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw FileFailure(errno, "open", folder) }
        defer { close(directory) }
        if fsync(directory) == 0 { return }
        let code = errno
        // Some network file systems know no such thing for directories.
        if code != EINVAL { throw FileFailure(code, "synchronize", folder) }
    }
}

/// Which file or folder it is, whatever its path.
private struct FileIdentity: Equatable {
    private let device: UInt64
    private let number: UInt64

    /// nil: there is nothing at `path`.
    init?(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        device = UInt64(truncatingIfNeeded: status.st_dev)
        number = UInt64(truncatingIfNeeded: status.st_ino)
    }
}

/// A call of the system's that failed.
struct FileFailure: Error, CustomStringConvertible {
    /// As `errno` said right after it.
    let code: Int32
    let description: String

    init(_ code: Int32, _ action: String, _ path: String) {
        self.code = code
        description = "cannot \(action) \(path): \(String(cString: strerror(code)))"
    }
}

/// A few threads that may block, for files.
final class FileThreads: Sendable {
    private let queues = (1...4).map { DispatchQueue(label: "dtq.payloads.\($0)") }
    private let next = PlatformLock(0)

    /// - Throws: `PayloadStoreError` for a `FileFailure`, and what else `body` throws.
    func run<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        let index = next.withLock { next in
            next = (next + 1) % queues.count
            return next
        }
        return try await withCheckedThrowingContinuation { continuation in
            queues[index].async {
                continuation.resume(
                    with: Swift.Result(catching: body).mapError { error in
                        (error as? FileFailure).map { PayloadStoreError($0.description) } ?? error
                    })
            }
        }
    }
}
