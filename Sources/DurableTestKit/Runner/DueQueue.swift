import DurableCore
import HeapModule

/// What is to happen, in order of virtual time. At one moment activities begin first, as on workers that are free; then
/// comes what was requested first.
struct DueQueue {
    enum Work {
        /// One activity, to run now.
        case activity(TaskMessage)
        case message(Message)
        /// A timer, or the time to start, of an instance.
        case wake(InstanceID)
        case callback(@Sendable (TestOrchestrationEnvironment) throws -> Void)
    }

    private struct Item: Comparable {
        let time: Timestamp
        let isLate: Bool
        let number: Int
        let work: Work

        private var key: (Timestamp, Int, Int) { (time, isLate ? 1 : 0, number) }

        static func < (left: Self, right: Self) -> Bool { left.key < right.key }
        static func == (left: Self, right: Self) -> Bool { left.key == right.key }
    }

    private var items = Heap<Item>()
    private var lastNumber = 0

    /// When the next thing is due; nil: nothing is.
    var nextTime: Timestamp? { items.min?.time }

    /// - Parameter number: Of the request this answers; nil: it is a request of its own.
    mutating func add(_ work: Work, at time: Timestamp, number: Int? = nil) {
        if number == nil { lastNumber += 1 }
        let isActivity = if case .activity = work { true } else { false }
        items.insert(Item(time: time, isLate: !isActivity, number: number ?? lastNumber, work: work))
    }

    mutating func popFirst() -> (time: Timestamp, number: Int, work: Work)? {
        items.popMin().map { ($0.time, $0.number, $0.work) }
    }
}
