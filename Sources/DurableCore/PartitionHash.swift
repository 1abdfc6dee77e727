extension InstanceID {
    /// The partition that owns this instance: FNV-1a 64 of the UTF-8 bytes, modulo the partition count.
    /// Stable for ever: clients in any language must agree.
    ///
    /// - Parameter partitionCount: 1 to 1024.
    package func partition(of partitionCount: Int) -> PartitionID {
        PartitionID(Int(FNV1a.hash(value.utf8) % UInt64(partitionCount)))
    }
}

/// FNV-1a with 64 bits (Fowler, Noll, Vo): the only hash whose value leaves a process.
package enum FNV1a {
    package static func hash(_ bytes: some Sequence<UInt8>) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes {
            hash ^= UInt64(byte)
            hash &*= 0x0000_0100_0000_01b3
        }
        return hash
    }
}
