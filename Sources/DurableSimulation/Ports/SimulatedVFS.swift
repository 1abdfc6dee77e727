import DurableCore
import GRDBSQLite

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A simulated disk as SQLite sees it (https://www.sqlite.org/vfs.html), registered under a name of its own as long as
/// the disk is there.
///
/// SQLite calls these functions on the thread that uses a connection, which is the simulator's.
final class SimulatedVFS {
    private static let counter = Counter()
    let name: String
    private let vfs: UnsafeMutablePointer<sqlite3_vfs>
    private let nameBytes: UnsafeMutablePointer<CChar>

    /// - Parameter disk: Owns this and outlives it; each open file keeps it too.
    init(of disk: SimulatedDisk) {
        name = "simulated-\(Self.counter.next())"
        nameBytes = strdup(name)
        vfs = .allocate(capacity: 1)
        vfs.initialize(to: sqlite3_vfs())
        vfs.pointee.iVersion = 2
        vfs.pointee.szOsFile = Int32(MemoryLayout<OpenFile>.size)
        vfs.pointee.mxPathname = 512
        vfs.pointee.zName = UnsafePointer(nameBytes)
        vfs.pointee.pAppData = Unmanaged.passUnretained(disk).toOpaque()
        vfs.pointee.xOpen = { open($0, $1, $2, $3, $4) }
        vfs.pointee.xDelete = { vfs, path, synchronizes in
            guard let path else { return IOError.delete }
            let disk = SimulatedVFS.disk(vfs)
            guard disk.file(String(cString: path)) != nil else { return IOError.deleteMissing }
            disk.unlink(String(cString: path))
            if synchronizes != 0 { disk.synchronizeNames() }
            return SQLITE_OK
        }
        vfs.pointee.xAccess = { vfs, path, flags, result in
            let file = path.flatMap { SimulatedVFS.disk(vfs).file(String(cString: $0)) }
            // An empty journal counts as none, as in SQLite's own.
            let isThere = file.map { flags != SQLITE_ACCESS_EXISTS || $0.size > 0 } ?? false
            result?.pointee = isThere ? 1 : 0
            return SQLITE_OK
        }
        vfs.pointee.xFullPathname = { _, path, capacity, result in
            guard let path, let result, strlen(path) < Int(capacity) else { return SQLITE_CANTOPEN }
            strcpy(result, path)
            return SQLITE_OK
        }
        vfs.pointee.xRandomness = { vfs, count, bytes in
            guard let bytes else { return 0 }
            for index in 0..<Int(count) {
                bytes[index] = CChar(truncatingIfNeeded: SimulatedVFS.disk(vfs).nextNumber())
            }
            return count
        }
        // Who waits for a lock gives up at once: nobody else runs meanwhile.
        vfs.pointee.xSleep = { _, microseconds in microseconds }
        vfs.pointee.xCurrentTime = { _, days in
            days?.pointee = Double(SimulatedVFS.julianMilliseconds) / 86_400_000
            return SQLITE_OK
        }
        vfs.pointee.xCurrentTimeInt64 = { _, milliseconds in
            milliseconds?.pointee = SimulatedVFS.julianMilliseconds
            return SQLITE_OK
        }
        vfs.pointee.xGetLastError = { _, _, _ in 0 }
        sqlite3_vfs_register(vfs, 0)
    }

    deinit {
        sqlite3_vfs_unregister(vfs)
        vfs.deallocate()
        free(nameBytes)
    }

    private static func disk(_ vfs: UnsafeMutablePointer<sqlite3_vfs>?) -> SimulatedDisk {
        guard let context = vfs?.pointee.pAppData else { preconditionFailure("a VFS has its disk") }
        return Unmanaged<SimulatedDisk>.fromOpaque(context).takeUnretainedValue()
    }

    /// When a run starts, since noon on 24 November 4714 BC.
    private static var julianMilliseconds: Int64 { 210_866_760_000_000 + SimulatedClock.start.millisecondsSinceEpoch }
}

/// Extended result codes, which Swift does not import (https://www.sqlite.org/rescode.html).
private enum IOError {
    static let read = SQLITE_IOERR | 1 << 8
    static let shortRead = SQLITE_IOERR | 2 << 8
    static let write = SQLITE_IOERR | 3 << 8
    static let synchronize = SQLITE_IOERR | 4 << 8
    static let truncate = SQLITE_IOERR | 6 << 8
    static let size = SQLITE_IOERR | 7 << 8
    static let unlock = SQLITE_IOERR | 8 << 8
    static let delete = SQLITE_IOERR | 10 << 8
    static let checkLock = SQLITE_IOERR | 14 << 8
    static let lock = SQLITE_IOERR | 15 << 8
    static let memoryLock = SQLITE_IOERR | 20 << 8
    static let memoryMap = SQLITE_IOERR | 21 << 8
    static let deleteMissing = SQLITE_IOERR | 23 << 8
}

/// What SQLite allocates per file: its own part, then ours.
private struct OpenFile {
    var base: sqlite3_file
    var handle: Unmanaged<SimulatedFileHandle>
}

private func open(
    _ vfs: UnsafeMutablePointer<sqlite3_vfs>?, _ path: UnsafePointer<CChar>?,
    _ file: UnsafeMutablePointer<sqlite3_file>?, _ flags: Int32, _ result: UnsafeMutablePointer<Int32>?
) -> Int32 {
    guard let file, let context = vfs?.pointee.pAppData else { return SQLITE_CANTOPEN }
    file.pointee.pMethods = nil
    let disk = Unmanaged<SimulatedDisk>.fromOpaque(context).takeUnretainedValue()
    let handle = disk.open(
        path.map { String(cString: $0) }, creating: flags & SQLITE_OPEN_CREATE != 0,
        isJournal: flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL) != 0)
    guard let handle else { return SQLITE_CANTOPEN }
    UnsafeMutableRawPointer(file).assumingMemoryBound(to: OpenFile.self).pointee.handle = .passRetained(handle)
    file.pointee.pMethods = UnsafePointer(fileMethods.pointer)
    result?.pointee = flags
    return SQLITE_OK
}

private func openHandle(_ file: UnsafeMutablePointer<sqlite3_file>?) -> SimulatedFileHandle {
    guard let file else { preconditionFailure("SQLite calls a file's functions with the file") }
    return UnsafeMutableRawPointer(file).assumingMemoryBound(to: OpenFile.self).pointee.handle.takeUnretainedValue()
}

/// The functions of every open file.
private struct FileMethods: @unchecked Sendable {  // never changed
    let pointer: UnsafeMutablePointer<sqlite3_io_methods>
}

private let fileMethods: FileMethods = {
    var methods = sqlite3_io_methods()
    methods.iVersion = 2
    methods.xClose = { file in
        let handle = openHandle(file)
        handle.close()
        Unmanaged.passUnretained(handle).release()
        return SQLITE_OK
    }
    methods.xRead = { file, bytes, count, offset in
        let handle = openHandle(file)
        guard let bytes, !handle.isDead, handle.disk.meet(.read, by: handle.process) == nil else {
            return IOError.read
        }
        let read = handle.file.read(into: bytes, count: Int(count), at: Int(offset))
        return read < Int(count) ? IOError.shortRead : SQLITE_OK
    }
    methods.xWrite = { file, bytes, count, offset in
        let handle = openHandle(file)
        guard let bytes, !handle.isDead else { return IOError.write }
        let fault = handle.disk.meet(.write, by: handle.process)
        if handle.isDead { return IOError.write }
        let isBeyond = Int(offset) + Int(count) > handle.file.size
        switch fault {
        case .full: return SQLITE_FULL
        case .inputOutput: return IOError.write
        case nil where isBeyond && handle.disk.isFull && !handle.disk.isSpared: return SQLITE_FULL
        case nil: break
        }
        handle.file.write(bytes, count: Int(count), at: Int(offset))
        return SQLITE_OK
    }
    methods.xTruncate = { file, size in
        let handle = openHandle(file)
        if handle.isDead { return IOError.truncate }
        handle.file.truncate(to: Int(size))
        return SQLITE_OK
    }
    methods.xSync = { file, _ in
        let handle = openHandle(file)
        guard !handle.isDead, handle.disk.meet(.synchronize, by: handle.process) == nil else {
            return IOError.synchronize
        }
        handle.disk.synchronize(handle)
        return SQLITE_OK
    }
    methods.xFileSize = { file, size in
        let handle = openHandle(file)
        if handle.isDead { return IOError.size }
        size?.pointee = Int64(handle.file.size)
        return SQLITE_OK
    }
    methods.xLock = { file, level in
        let handle = openHandle(file)
        if handle.isDead { return IOError.lock }
        return handle.take(.init(rawValue: level) ?? .exclusive) ? SQLITE_OK : SQLITE_BUSY
    }
    methods.xUnlock = { file, level in
        let handle = openHandle(file)
        if handle.isDead { return IOError.unlock }
        handle.release(to: .init(rawValue: level) ?? .none)
        return SQLITE_OK
    }
    methods.xCheckReservedLock = { file, result in
        let handle = openHandle(file)
        if handle.isDead { return IOError.checkLock }
        result?.pointee = handle.isReserved ? 1 : 0
        return SQLITE_OK
    }
    methods.xFileControl = { _, _, _ in SQLITE_NOTFOUND }
    methods.xSectorSize = { _ in 4096 }
    // As SQLite's own: a lost write takes nothing beside it along.
    methods.xDeviceCharacteristics = { _ in SQLITE_IOCAP_POWERSAFE_OVERWRITE }
    methods.xShmMap = { file, index, size, extends, result in
        let handle = openHandle(file)
        result?.pointee = nil
        if handle.isDead { return IOError.memoryMap }
        result?.pointee = handle.map(Int(index), size: Int(size), extends: extends != 0)
        return SQLITE_OK
    }
    methods.xShmLock = { file, offset, count, flags in
        let handle = openHandle(file)
        if handle.isDead { return IOError.memoryLock }
        let slots = ((UInt32(1) << UInt32(count)) - 1) << UInt32(offset)
        if flags & SQLITE_SHM_UNLOCK != 0 {
            handle.releaseSlots(slots)
            return SQLITE_OK
        }
        return handle.takeSlots(slots, isExclusive: flags & SQLITE_SHM_EXCLUSIVE != 0) ? SQLITE_OK : SQLITE_BUSY
    }
    methods.xShmBarrier = { _ in }
    methods.xShmUnmap = { file, _ in
        openHandle(file).unmap()
        return SQLITE_OK
    }
    let pointer = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
    pointer.initialize(to: methods)
    return FileMethods(pointer: pointer)
}()
