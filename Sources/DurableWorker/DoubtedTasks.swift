import DurableCore
import OrderedCollections

/// Activities that nobody waits for any more, as somebody said lately: whoever is given one of them asks before it
/// begins. Of many it forgets the oldest, which run for nothing then.
struct DoubtedTasks {
    private var keys: OrderedSet<TaskKey> = []

    static var limit: Int { 10_000 }

    mutating func insert(_ key: TaskKey) {
        keys.append(key)
        if keys.count > 2 * Self.limit { keys.removeFirst(keys.count - Self.limit) }
    }

    /// - Returns: Whether it was among them.
    mutating func remove(_ key: TaskKey) -> Bool { !keys.isEmpty && keys.remove(key) != nil }
}
