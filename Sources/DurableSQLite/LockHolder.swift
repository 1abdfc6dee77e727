internal import Foundation

/// Finds out who keeps a file locked, for the text of an error.
enum LockHolder {
    /// Byte of the write lock in the shared-memory file (https://www.sqlite.org/walformat.html, section 2.3.1).
    private static let writeLockOffset = 120

    /// - Returns: Process that holds the write lock of the database at `path`; nil when nobody does any more or the
    ///   system does not tell.
    static func ofWriteLock(on path: String) -> Int? {
        // Read from the kernel's list: to open the file itself would drop our own locks when closed.
        guard let inode = SystemFileSystem.inode(of: path + "-shm"),
            let list = try? String(contentsOfFile: "/proc/locks", encoding: .utf8)
        else { return nil }
        for line in list.split(separator: "\n") where !line.contains("->") {
            // 1: POSIX  ADVISORY  WRITE 4711 08:01:131 120 120
            let fields = line.split(separator: " ", omittingEmptySubsequences: true)
            guard fields.count == 8, fields[3] == "WRITE", let process = Int(fields[4]),
                let number = fields[5].split(separator: ":").last, number == String(inode),
                let first = Int(fields[6]), first <= writeLockOffset,
                fields[7] == "EOF" || (Int(fields[7]) ?? -1) >= writeLockOffset
            else { continue }
            return process
        }
        return nil
    }
}
