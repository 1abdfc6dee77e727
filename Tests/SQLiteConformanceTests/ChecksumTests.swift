import DurableCore
import Testing

@Suite("Row checksums") struct ChecksumTests {
    @Test(
        "The checksum is CRC-32C (vectors of RFC 3720, appendix B.4)",
        arguments: [
            (Array("123456789".utf8), 0xe306_9283),
            ([UInt8](repeating: 0, count: 32), 0x8a91_36aa),
            ([UInt8](repeating: 0xff, count: 32), 0x62a8_ab43),
            ([UInt8](0..<32), 0x46dd_794e),
            ([UInt8](0..<32).reversed(), 0x113f_db5c),
            ([], 0),
        ] as [([UInt8], Int64)])
    func vectors(bytes: [UInt8], expected: Int64) {
        var whole = Checksum()
        whole.add(bytes)
        #expect(whole.value == expected)
        var parts = Checksum()
        parts.add(Array(bytes.prefix(5)))
        parts.add(Array(bytes.dropFirst(5)))
        #expect(parts.value == expected)
    }
}
