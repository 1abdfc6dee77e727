package import DurableBackend
internal import Foundation

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The operating system's files.
package struct SystemFileSystem: FileSystem {
    package init() {}

    package var sqliteVFS: String? { nil }

    package func exists(_ path: String) throws(StoreError) -> Bool {
        var information = stat()
        if stat(path, &information) == 0 { return true }
        let code = errno
        if code == ENOENT || code == ENOTDIR { return false }
        throw .unavailable("\(path) cannot be looked at: \(Self.text(code)). It must be readable for the worker's user")
    }

    /// Takes the lock file at `path`, made when it is not there, for as long as the process lives or until the
    /// descriptor is closed.
    ///
    /// - Returns: The open descriptor; nil when another process has the lock.
    static func lock(_ path: String) throws(StoreError) -> Int32? {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .unavailable("\(path) cannot be opened: \(Self.text(errno))") }
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return descriptor }
        let code = errno
        _ = close(descriptor)
        if code == EWOULDBLOCK { return nil }
        throw .unavailable("\(path) cannot be locked: \(Self.text(code))")
    }

    static func unlock(_ descriptor: Int32) { _ = close(descriptor) }

    static func inode(of path: String) -> UInt64? {
        var information = stat()
        return stat(path, &information) == 0 ? UInt64(information.st_ino) : nil
    }

    package func makeDirectory(_ path: String) throws(StoreError) {
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw .unavailable("directory \(path) cannot be made: \(error.localizedDescription)")
        }
    }

    package func publish(_ temporary: String, as path: String) throws(StoreError) -> Bool {
        let isNew = link(temporary, path) == 0
        let code = errno
        unlink(temporary)
        guard isNew || code == EEXIST else {
            if code == ENOSPC || code == EDQUOT {
                throw .full("\(path) cannot be made: \(Self.text(code)). \(Remedy.space)")
            }
            throw .unavailable("\(path) cannot be made: \(Self.text(code))")
        }
        return isNew
    }

    package func synchronize(_ directory: String) throws(StoreError) {
        let descriptor = open(directory, O_RDONLY)
        guard descriptor >= 0 else { throw .unavailable("\(directory): \(Self.text(errno))") }
        defer { _ = close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .unavailable("\(directory): \(Self.text(errno))") }
    }

    package func remove(_ path: String) throws(StoreError) {
        guard unlink(path) == 0 || errno == ENOENT else {
            throw .unavailable("\(path) cannot be removed: \(Self.text(errno))")
        }
    }

    package func removeIfEmpty(_ directory: String) { rmdir(directory) }

    private static func text(_ code: Int32) -> String { String(cString: strerror(code)) }
}
