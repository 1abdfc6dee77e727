import DurableBackend
import DurableCore
import DurableEngine
import Testing

@Suite("The queue of due instances") struct TimerQueueTests {
    private func entry(_ due: Int64) -> DueInstance {
        DueInstance(due: Timestamp(millisecondsSinceEpoch: due), id: InstanceID("i-\(due)"))
    }

    private func drain(_ queue: inout TimerQueue) -> [Int64] {
        var order: [Int64] = []
        while let next = queue.popDue(at: .distantFuture) { order.append(next.due.millisecondsSinceEpoch) }
        return order
    }

    @Test func givesTheEarliestFirstAndOnlyWhatIsDue() {
        var queue = TimerQueue(limit: 10)
        for due: Int64 in [30, 10, 20] { queue.insert(entry(due)) }
        #expect(queue.popDue(at: Timestamp(millisecondsSinceEpoch: 5)) == nil)
        #expect(queue.popDue(at: Timestamp(millisecondsSinceEpoch: 15)) == entry(10))
        #expect(queue.nextDue?.millisecondsSinceEpoch == 20)
    }

    @Test func keepsOnlyTheEarliestAndAsksForThePageBehindThem() {
        var queue = TimerQueue(limit: 3)
        for due: Int64 in [50, 40, 30, 20, 10, 60] { queue.insert(entry(due)) }
        #expect(queue.count == 3)
        #expect(!queue.needsPage)
        #expect(drain(&queue) == [10, 20, 30])
        #expect(queue.needsPage)
        #expect(queue.horizon == entry(30))
        queue.load([entry(40), entry(50)], isLast: false)
        #expect(queue.horizon == entry(50))
        queue.insert(entry(70))
        #expect(drain(&queue) == [40, 50])
        queue.load([entry(60), entry(70)], isLast: true)
        queue.insert(entry(80))
        #expect(drain(&queue) == [60, 70, 80])
        #expect(!queue.needsPage)
    }
}
