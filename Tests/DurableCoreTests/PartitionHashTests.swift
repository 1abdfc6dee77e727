import DurableCore
import Testing

@Suite("Instances hash to partitions the same way for ever") struct PartitionHashTests {
    /// FNV-1a 64 test vectors as published with the algorithm; any client language must give the same.
    @Test(arguments: [
        ("", 0xcbf2_9ce4_8422_2325 as UInt64), ("a", 0xaf63_dc4c_8601_ec8c), ("b", 0xaf63_df4c_8601_f1a5),
        ("foobar", 0x8594_4171_f739_67e8),
    ])
    func hashesLikeTheAlgorithm(text: String, hash: UInt64) {
        #expect(FNV1a.hash(text.utf8) == hash)
    }

    /// Vectors of this project: a change here sends instances of existing hubs to the wrong partition.
    @Test(arguments: [
        ("order-1", 8, 5), ("order-2", 8, 4), ("o-1881", 8, 3), ("order-1", 1024, 109), ("ü", 8, 2), ("order-1", 1, 0),
    ])
    func staysInItsPartition(id: String, count: Int, partition: Int) {
        #expect(InstanceID(id).partition(of: count) == PartitionID(partition))
    }

    @Test func spreadsEvenly() {
        var counts = Array(repeating: 0, count: 8)
        for number in 0..<8000 { counts[InstanceID("instance-\(number)").partition(of: 8).index] += 1 }
        #expect(counts.allSatisfy { (800...1200).contains($0) }, "\(counts)")
    }
}
