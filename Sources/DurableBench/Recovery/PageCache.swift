import Foundation

/// What the system keeps in memory of files.
enum PageCache {
    /// Writes files below `directory` out and lets go of them. Those of others are left alone.
    static func drop(below directory: String) throws {
        for path in files(below: directory) {
            let descriptor = open(path, O_RDONLY)
            guard descriptor >= 0 else { continue }
            fsync(descriptor)
            #if os(Linux)
                posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
            #endif
            close(descriptor)
        }
    }

    /// Changes when a file below `directory` does.
    static func stamp(below directory: String) -> Int {
        var hasher = Hasher()
        for path in files(below: directory) {
            var information = stat()
            guard stat(path, &information) == 0 else { continue }
            hasher.combine(path)
            hasher.combine(information.st_size)
            hasher.combine((try? FileManager.default.attributesOfItem(atPath: path))?[.modificationDate] as? Date)
        }
        return hasher.finalize()
    }

    private static func files(below directory: String) -> [String] {
        let names = FileManager.default.enumerator(atPath: directory)?.compactMap { $0 as? String } ?? []
        return names.sorted().map { "\(directory)/\($0)" }
    }
}
