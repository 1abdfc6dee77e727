package import DurableBackend
package import DurableCore
import HeapModule

/// The earliest due instances of a partition, bounded: what is later than the horizon waits in the store.
///
/// Entries are hints: an instance whose due time moved has stale ones, which the caller drops by asking its state.
package struct TimerQueue {
    private var heap = Heap<DueInstance>()
    private let limit: Int
    /// Everything due up to here is in the queue; later ones may be in the store alone.
    package private(set) var horizon: DueInstance?

    /// - Parameter limit: Most entries kept, 1 or more.
    package init(limit: Int) {
        precondition(limit > 0, "a timer queue holds at least one entry")
        self.limit = limit
    }

    package var nextDue: Timestamp? { heap.min?.due ?? horizon?.due }
    package var count: Int { heap.count }

    package mutating func insert(_ entry: DueInstance) {
        if let horizon, entry > horizon { return }
        heap.insert(entry)
        guard heap.count > limit else { return }
        _ = heap.popMax()
        horizon = heap.max
    }

    /// Removes and returns the earliest entry due at `now`.
    package mutating func popDue(at now: Timestamp) -> DueInstance? {
        guard let first = heap.min, first.due <= now else { return nil }
        return heap.popMin()
    }

    /// True when the queue ran dry below its horizon: load the next page from the store.
    package var needsPage: Bool { heap.isEmpty && horizon != nil }

    /// Takes over a page of the store that follows the horizon.
    ///
    /// - Parameter isLast: Whether the store has nothing after it.
    package mutating func load(_ page: [DueInstance], isLast: Bool) {
        horizon = isLast ? nil : page.last ?? horizon
        for entry in page { heap.insert(entry) }
    }
}
