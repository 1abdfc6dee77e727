package import DurableBackend
package import DurableSQLite

/// One machine's disk in memory, for SQLite: several simulated processes open its files, are killed, and lose power.
///
/// What a killed process wrote stays, as the system's page cache keeps it; what was not synchronized when power is lost
/// survives, is lost or is torn, as drawn. SQLite's random numbers go into salts and checksums only, so they may differ
/// between equal runs.
package final class SimulatedDisk: @unchecked Sendable {  // confined to the simulator's thread
    /// What one of a process's next accesses meets.
    package enum Fault: Sendable {
        /// Any access: it cannot be read, written or synchronized.
        case inputOutput
        /// A write.
        case full
    }

    /// What SQLite asks a disk for.
    enum Access { case read, write, synchronize }

    private struct Due {
        var process: Int?
        var writesOnly: Bool
        var accesses: Int
        var fault: Fault?
        var body: (() -> Void)?
    }

    /// Whose handles are opened now.
    package var currentProcess = 0
    /// Deliberate: synchronizing makes nothing durable.
    package var ignoresSync = false
    /// No file can grow while this holds.
    package var isFull = false
    /// Told whose access met a planned fault.
    package var onFault: (Int) -> Void = { _ in }
    /// While this holds, nothing fails: the simulation itself looks.
    package var isSpared = false
    private var files: [String: SimulatedFile] = [:]  // sorted before use
    /// Names that a power loss leaves.
    private var durableFiles: [String: SimulatedFile] = [:]  // sorted before use
    private var due: [Due] = []
    private var random: SeededGenerator
    private var numbers: SeededGenerator
    private lazy var vfs = SimulatedVFS(of: self)

    package init(seed: UInt64) {
        random = SeededGenerator(seed: seed, purpose: "disk")
        numbers = SeededGenerator(seed: seed, purpose: "disk numbers")
    }

    /// Where a hub's files may be.
    package var directory: String { "/simulated" }

    package var options: SQLiteOptions { SQLiteOptions(files: self) }

    // MARK: - What goes wrong

    /// kill -9: the process's locks are gone, and its handles change nothing any more.
    package func kill(_ process: Int) { end { $0.process == process } }

    /// Every process dies, and what was not synchronized may be lost.
    package func losePower() {
        end { _ in true }
        for path in Set(files.keys).union(durableFiles.keys).sorted() where files[path] !== durableFiles[path] {
            if random.chance(0.5) { durableFiles[path] = files[path] } else { files[path] = durableFiles[path] }
        }
        for (_, file) in files.sorted(by: { $0.key < $1.key }) { file.losePower(&random) }
    }

    private func end(_ isMeant: (SimulatedFileHandle) -> Bool) {
        for (_, file) in files.sorted(by: { $0.key < $1.key }) {
            for handle in file.handles where isMeant(handle) { handle.die() }
        }
    }

    /// The `accesses`-th access of the process from now on meets `fault`; only writes count if it is `.full`.
    package func plan(_ fault: Fault, atAccess accesses: Int, of process: Int) {
        due.append(Due(process: process, writesOnly: fault == .full, accesses: accesses, fault: fault))
    }

    /// Calls `body` when the process, or any, is about to write for the `writes`-th time from now on.
    package func interrupt(_ process: Int?, atWrite writes: Int, _ body: @escaping () -> Void) {
        due.append(Due(process: process, writesOnly: true, accesses: writes, body: body))
    }

    /// Nothing fails any more.
    package func mend() {
        due = []
        isFull = false
    }

    /// What the access meets.
    func meet(_ access: Access, by process: Int) -> Fault? {
        if isSpared || due.isEmpty { return nil }
        var fault: Fault?
        var bodies: [() -> Void] = []
        for index in due.indices where due[index].process.map({ $0 == process }) ?? true {
            if due[index].writesOnly, access != .write { continue }
            due[index].accesses -= 1
            guard due[index].accesses == 0 else { continue }
            if let planned = due[index].fault { fault = planned }
            if let body = due[index].body { bodies.append(body) }
        }
        due.removeAll { $0.accesses <= 0 }
        if fault != nil { onFault(process) }
        for body in bodies { body() }
        return fault
    }

    func nextNumber() -> UInt64 { numbers.next() }

    // MARK: - Files

    /// - Returns: nil when there is none, and none shall be made.
    func open(_ path: String?, creating: Bool, isJournal: Bool) -> SimulatedFileHandle? {
        let file: SimulatedFile
        if let found = path.flatMap({ files[$0] }) {
            file = found
        } else {
            guard creating else { return nil }
            file = SimulatedFile()
            if let path { files[path] = file }
        }
        return SimulatedFileHandle(self, file, process: currentProcess, journalPath: isJournal ? path : nil)
    }

    func file(_ path: String) -> SimulatedFile? { files[path] }

    func synchronize(_ handle: SimulatedFileHandle) {
        if ignoresSync { return }
        handle.file.synchronize()
        guard let path = handle.journalPath, files[path] === handle.file else { return }
        durableFiles[path] = handle.file
    }

    func unlink(_ path: String) { files[path] = nil }

    /// Forgets everything. Handles that are still open are dead.
    package func removeAll() {
        end { _ in true }
        files = [:]
        durableFiles = [:]
        due = []
    }
}

extension SimulatedDisk: FileSystem {
    package var sqliteVFS: String? { vfs.name }

    package func exists(_ path: String) throws(StoreError) -> Bool { files[path] != nil }

    package func makeDirectory(_ path: String) throws(StoreError) {}

    package func publish(_ temporary: String, as path: String) throws(StoreError) -> Bool {
        guard let file = files[temporary] else { throw .unavailable("\(temporary) is not there") }
        let isNew = files[path] == nil
        if isNew { files[path] = file }
        files[temporary] = nil
        return isNew
    }

    package func synchronize(_ directory: String) throws(StoreError) { synchronizeNames() }

    package func remove(_ path: String) throws(StoreError) { unlink(path) }

    package func removeIfEmpty(_ directory: String) {}

    /// All names as they are survive from now on.
    func synchronizeNames() {
        if !ignoresSync { durableFiles = files }
    }
}
