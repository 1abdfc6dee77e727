package import DurableCore

/// One instance in memory: its state, its suspended code if that is cached, and what the store does not have yet.
package final class InstanceEntry {
    package var state: InstanceState
    package var session: (any OrchestrationSession)?
    /// Its code while it is rebuilt from the history, and how many events it has been given: more wait for their payloads.
    package var rebuilding: (session: any OrchestrationSession, position: Int)?
    /// Events after those in the store, in order.
    package var unflushed: [HistoryEvent] = []
    /// Number of events the store holds of this execution.
    package var flushedCount: Int
    package var isDirty = false
    /// It is gone; what the store does not have yet it need not have.
    package var isPurged = false
    /// Those of its ID before it whose ends were not told to anybody yet, newest first.
    package var predecessors: [InstanceEntry] = []
    /// Of the append with which it ended; nil: it goes on, or that is known to the store.
    package var endedAt: LogPosition?
    /// Due time the timer queue (or the store behind its horizon) has for it; nil: none that is known of.
    package var armedDue: Timestamp?
    fileprivate(set) var cost = 0
    fileprivate unowned(unsafe) var newer: InstanceEntry?  // the dictionary owns entries, the list only orders them
    fileprivate unowned(unsafe) var older: InstanceEntry?

    init(state: InstanceState, flushedCount: Int) {
        self.state = state
        self.flushedCount = flushedCount
    }

    /// Its history is over, and another begins. The store learns of that with the next flush.
    func beginAnew() {
        dropCode()
        unflushed = []
        flushedCount = 0
    }

    /// Frees its suspended code, which is rebuilt from the history when it is needed.
    package func dropCode() {
        session?.evict()
        session = nil
        rebuilding?.session.evict()
        rebuilding = nil
    }

    /// Estimate in bytes, for the cache's bound.
    fileprivate var currentCost: Int {
        var bytes = 640 + state.id.value.utf8.count + state.openTasks.count * 48 + state.openTimers.count * 32
        bytes += state.openChildren.count * 160 + state.patches.count * 160
        bytes += state.updates.estimatedBytes + state.heartbeatBytes
        bytes += state.entity?.state?.count ?? 0
        bytes += state.openEntityCalls.count * 160 + state.openSections.values.reduce(0) { $0 + 64 + $1.count * 80 }
        bytes += (state.output?.count ?? 0) + (state.customStatus?.count ?? 0)
        for event in state.inbox { bytes += event.estimatedBytes }
        for event in unflushed { bytes += event.estimatedBytes }
        return bytes + (session?.estimatedBytes ?? 0) + (rebuilding?.session.estimatedBytes ?? 0)
    }
}

/// Least recently used first: instances in memory, bounded by bytes. Dirty ones stay until the store has them.
package struct InstanceCache {
    private var entries: [InstanceID: InstanceEntry] = [:]  // look-up only
    private unowned(unsafe) var newest: InstanceEntry?
    private unowned(unsafe) var oldest: InstanceEntry?
    package private(set) var bytes = 0

    package init() {}

    package var count: Int { entries.count }
    /// Instances whose suspended code is in memory; counted one by one.
    package var sessionCount: Int { entries.values.count { $0.session != nil } }
    package subscript(id: InstanceID) -> InstanceEntry? { entries[id] }

    package mutating func insert(_ state: InstanceState, flushedCount: Int) -> InstanceEntry {
        let entry = InstanceEntry(state: state, flushedCount: flushedCount)
        entries[state.id] = entry
        pushNewest(entry)
        touch(entry)
        return entry
    }

    /// Counts the entry's present cost and makes it the most recently used.
    package mutating func touch(_ entry: InstanceEntry) {
        let cost = entry.currentCost
        bytes += cost - entry.cost
        entry.cost = cost
        if entry !== newest {
            unlink(entry)
            pushNewest(entry)
        }
    }

    package mutating func remove(_ entry: InstanceEntry) {
        entry.dropCode()
        bytes -= entry.cost
        entry.cost = 0
        unlink(entry)
        entries[entry.state.id] = nil
    }

    /// Frees suspended code and clean entries, oldest first, until `limit` holds.
    ///
    /// - Returns: Whether it holds; if not, the store must be filled first.
    package mutating func shrink(to limit: Int) -> Bool {
        var candidate = oldest
        while bytes > limit, let entry = candidate {
            candidate = entry.newer
            if entry.isDirty {
                if entry.session == nil, entry.rebuilding == nil { continue }
                entry.dropCode()
                let cost = entry.currentCost
                bytes += cost - entry.cost
                entry.cost = cost
            } else {
                remove(entry)
            }
        }
        return bytes <= limit
    }

    /// Evicts everything, as at the end of an epoch.
    package mutating func removeAll() {
        while let entry = oldest { remove(entry) }
    }

    private mutating func pushNewest(_ entry: InstanceEntry) {
        entry.older = newest
        entry.newer = nil
        newest?.newer = entry
        newest = entry
        if oldest == nil { oldest = entry }
    }

    private mutating func unlink(_ entry: InstanceEntry) {
        let newer = entry.newer
        let older = entry.older
        older?.newer = newer
        newer?.older = older
        if newest === entry { newest = older }
        if oldest === entry { oldest = newer }
        entry.newer = nil
        entry.older = nil
    }
}
