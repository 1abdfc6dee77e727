import DurableCore
import Testing

@Suite("Filter of instance IDs") struct InstanceFilterTests {
    @Test("It has what was inserted, and little else", arguments: [1, 10, 1000, 50_000])
    func contains(count: Int) {
        var filter = InstanceFilter(capacity: count)
        // Of one partition of 8, as an archive's are.
        let all = (0...).lazy.map { InstanceID("order-\($0)") }.filter { $0.partition(of: 8) == PartitionID(3) }
        let (inside, outside) = (Array(all.prefix(count)), Array(all.dropFirst(count).prefix(10_000)))
        for id in inside { filter.insert(id) }
        #expect(inside.allSatisfy(filter.mayContain))
        #expect(outside.count(where: filter.mayContain) < 200)
        #expect(InstanceFilter(bytes: filter.bytes) == filter)
    }

    @Test("One without bytes is none")
    func empty() {
        #expect(InstanceFilter(bytes: []) == nil)
        #expect(!InstanceFilter(capacity: 0).mayContain(InstanceID("a")))
    }
}
