import DurableCore
import OrderedCollections

/// Which partitions wait to hear what was applied of their messages, and since when.
///
/// Word of it goes along with messages that are sent anyway, or alone after a while. One that is lost is made up for by
/// the next: each covers all before it, and a message that comes twice is answered again.
struct Receipts {
    private var owed: OrderedDictionary<Deduplication.Source, Owed> = [:]

    private struct Owed {
        var due: Duration
        var count: Int
    }

    /// How long word waits for a message that takes it along.
    private static var patience: Duration { .seconds(1) }
    /// Messages after which it goes at once.
    private static var limit: Int { 256 }

    /// When some must be sent, by the clock's uptime; nil: none is owed.
    private(set) var due: Duration?

    /// Messages of these were handled, what was applied of them is durable.
    mutating func note(_ sources: [Deduplication.Source], at now: Duration) {
        for source in sources {
            var one = owed[source] ?? Owed(due: now + Self.patience, count: 0)
            one.count += 1
            if one.count >= Self.limit { one.due = now }
            owed[source] = one
            due = min(due ?? one.due, one.due)
        }
    }

    /// What a message to `partition` can take along.
    mutating func take(for partition: PartitionID) -> Deduplication.Source? {
        guard !owed.isEmpty, let source = owed.keys.last(where: { $0.partition == partition }) else { return nil }
        owed[source] = nil
        // `due` may be too early now: then nothing is found that is due.
        return source
    }

    mutating func takeDue(at now: Duration) -> [Deduplication.Source] {
        guard let due, due <= now else { return [] }
        let sources = owed.filter { $0.value.due <= now }.keys
        for source in sources { owed[source] = nil }
        self.due = owed.values.map(\.due).min()
        return Array(sources)
    }
}
