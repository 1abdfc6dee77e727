/// A file as one process has it open: which locks it holds there.
///
/// Locks are between handles, whichever process they belong to, as SQLite's are.
final class SimulatedFileHandle {
    /// How far a handle has locked a database file (https://www.sqlite.org/lockingv3.html, section 3).
    enum Lock: Int32, Comparable {
        case none, shared, reserved, pending, exclusive
        static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    }

    /// Kept as long as a handle is open: SQLite has a pointer to its functions.
    let disk: SimulatedDisk
    let file: SimulatedFile
    let process: Int
    /// Of a journal: its name becomes durable with its content.
    let journalPath: String?
    /// Its process is gone.
    private(set) var isDead = false
    private(set) var lock = Lock.none
    private(set) var memory: SimulatedSharedMemory?
    /// Locks on the shared memory, one bit each.
    fileprivate var sharedSlots: UInt32 = 0
    fileprivate var exclusiveSlots: UInt32 = 0

    init(_ disk: SimulatedDisk, _ file: SimulatedFile, process: Int, journalPath: String?) {
        self.disk = disk
        self.file = file
        self.process = process
        self.journalPath = journalPath
        file.handles.append(self)
    }

    /// - Returns: Whether the handle has the lock now.
    func take(_ wanted: Lock) -> Bool {
        if lock >= wanted { return true }
        let others = file.handles.lazy.filter { $0 !== self }.map(\.lock)
        switch wanted {
        case .none: return true
        case .shared:
            if others.contains(where: { $0 >= .pending }) { return false }
        case .reserved:
            if others.contains(where: { $0 >= .reserved }) { return false }
        case .pending, .exclusive:
            if others.contains(where: { $0 >= .reserved }) { return false }
            lock = .pending
            if others.contains(where: { $0 >= .shared }) { return false }
        }
        lock = wanted
        return true
    }

    func release(to kept: Lock) { lock = min(lock, kept) }

    var isReserved: Bool { file.handles.contains { $0.lock >= .reserved } }

    // MARK: - Shared memory

    /// - Returns: nil: there is no such region, and none shall be made.
    func map(_ index: Int, size: Int, extends: Bool) -> UnsafeMutableRawPointer? {
        let memory = memory ?? join()
        return memory.region(index, size: size, extends: extends)
    }

    /// The first to come finds it empty, whatever a killed process left in it.
    private func join() -> SimulatedSharedMemory {
        let memory = file.sharedMemory ?? SimulatedSharedMemory()
        file.sharedMemory = memory
        self.memory = memory
        return memory
    }

    func unmap() {
        sharedSlots = 0
        exclusiveSlots = 0
        if memory == nil { return }
        memory = nil
        if !isDead { leave() }
    }

    private func leave() {
        if file.handles.allSatisfy({ $0.memory == nil || $0 === self }) { file.sharedMemory = nil }
    }

    /// - Returns: Whether the handle has the locks now.
    func takeSlots(_ slots: UInt32, isExclusive: Bool) -> Bool {
        for other in file.handles where other !== self {
            if other.exclusiveSlots & slots != 0 { return false }
            if isExclusive, other.sharedSlots & slots != 0 { return false }
        }
        if isExclusive { exclusiveSlots |= slots } else { sharedSlots |= slots }
        return true
    }

    func releaseSlots(_ slots: UInt32) {
        sharedSlots &= ~slots
        exclusiveSlots &= ~slots
    }

    // MARK: - The end

    /// The process is gone, and with it all locks. The memory stays as long as SQLite has a pointer to it.
    func die() {
        if isDead { return }
        isDead = true
        lock = .none
        sharedSlots = 0
        exclusiveSlots = 0
        leave()
        file.handles.removeAll { $0 === self }
    }

    func close() {
        unmap()
        lock = .none
        file.handles.removeAll { $0 === self }
    }
}

/// What the handles of a file in WAL mode share beside it: the index of the write-ahead log.
final class SimulatedSharedMemory {
    private var regions: [UnsafeMutableRawPointer] = []

    deinit { for region in regions { region.deallocate() } }

    func region(_ index: Int, size: Int, extends: Bool) -> UnsafeMutableRawPointer? {
        if index < regions.count { return regions[index] }
        if !extends { return nil }
        while regions.count <= index {
            let region = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
            region.initializeMemory(as: UInt8.self, repeating: 0, count: size)
            regions.append(region)
        }
        return regions[index]
    }
}
