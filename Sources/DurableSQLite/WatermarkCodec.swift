internal import DurableCore
internal import OrderedCollections

/// Deduplication and sequences as columns: 64-bit little-endian integers, row after row.
enum WatermarkCodec {
    /// Partition, incarnation, watermark; in order of first contact.
    static func encode(_ deduplication: Deduplication) -> [UInt8] {
        bytes(
            deduplication.watermarks.flatMap { source, watermark in
                [UInt64(source.partition.index), source.incarnation, watermark]
            })
    }

    /// Partition, last sequence; in order of partition.
    static func encode(_ sequences: [PartitionID: UInt64]) -> [UInt8] {
        bytes(sequences.sorted { $0.key < $1.key }.flatMap { [UInt64($0.key.index), $0.value] })
    }

    static func deduplication(_ bytes: [UInt8]) throws -> Deduplication {
        var result = Deduplication()
        for row in try rows(of: 3, in: bytes) {
            let source = Deduplication.Source(partition: try partition(row[0]), incarnation: row[1])
            result.watermarks[source] = row[2]
        }
        return result
    }

    static func sequences(_ bytes: [UInt8]) throws -> [PartitionID: UInt64] {
        var result: [PartitionID: UInt64] = [:]
        for row in try rows(of: 2, in: bytes) { result[try partition(row[0])] = row[1] }
        return result
    }

    private static func partition(_ number: UInt64) throws -> PartitionID {
        guard number < 1024 else { throw RowDamage("partition \(number) cannot be") }
        return PartitionID(Int(number))
    }

    private static func bytes(_ numbers: [UInt64]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(numbers.count * 8)
        for number in numbers { withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) } }
        return bytes
    }

    private static func rows(of width: Int, in bytes: [UInt8]) throws -> [[UInt64]] {
        guard bytes.count.isMultiple(of: width * 8) else { throw RowDamage("watermarks end in the middle of a row") }
        return bytes.withUnsafeBytes { bytes in
            stride(from: 0, to: bytes.count, by: width * 8).map { start in
                (0..<width).map { column in
                    UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: start + column * 8, as: UInt64.self))
                }
            }
        }
    }
}
