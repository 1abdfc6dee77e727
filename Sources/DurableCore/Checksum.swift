/// CRC-32C (RFC 3720, appendix B.4) over what a row says and where it stands.
///
/// SQLite notices damage to its own structures, not to the bytes we store. Part of the formats of store files and
/// backups: never changes.
package struct Checksum {
    private var register: UInt32 = .max

    package init() {}

    /// 0 to 2^32 - 1.
    package var value: Int64 { Int64(~register) }

    package mutating func add(_ number: Int64) {
        withUnsafeBytes(of: number.littleEndian) { add($0) }
    }

    package mutating func add(_ number: UInt64) { add(Int64(bitPattern: number)) }

    package mutating func add(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { add($0) }
    }

    /// Eight bytes a step, one table each ("slicing by 8").
    private mutating func add(_ bytes: UnsafeRawBufferPointer) {
        register = Self.tables.withUnsafeBufferPointer { tables in
            var register = register
            var position = 0
            while position + 8 <= bytes.count {
                let word =
                    UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
                    ^ UInt64(register)
                register = 0
                for step in 0..<8 {
                    let byte = Int(truncatingIfNeeded: word >> (8 * UInt64(step))) & 0xff
                    register ^= tables[(7 - step) * 256 + byte]
                }
                position += 8
            }
            while position < bytes.count {
                register = tables[Int((register ^ UInt32(bytes[position])) & 0xff)] ^ (register >> 8)
                position += 1
            }
            return register
        }
    }

    /// Table n tells what a byte does to the register when n zero bytes follow it.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var register = UInt32(byte)
            for _ in 0..<8 { register = register & 1 == 1 ? (register >> 1) ^ 0x82f6_3b78 : register >> 1 }
            tables[byte] = register
        }
        for index in 256..<tables.count {
            let previous = tables[index - 256]
            tables[index] = tables[Int(previous & 0xff)] ^ (previous >> 8)
        }
        return tables
    }()
}
