#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What one file holds: what programs read, and what would be left of it without power.
///
/// What is not synchronized survives or is lost by sectors, so that a write of several is torn between them.
final class SimulatedFile {
    private static var sectorSize: Int { 512 }
    /// Old contents are kept in pieces of this size.
    private static var pieceSize: Int { 4096 }

    private var bytes = UnsafeMutableRawPointer.allocate(byteCount: pieceSize, alignment: 16)
    private var capacity = pieceSize
    private(set) var size = 0
    /// Size when it was last synchronized.
    private var durableSize = 0
    /// What was there when it was last synchronized, of the pieces that were written since; look-up only.
    private var durablePieces: [Int: [UInt8]] = [:]
    private var lastWrite: Range<Int>?
    /// Open handles, in order of opening. None of a process that was killed.
    var handles: [SimulatedFileHandle] = []
    /// While a handle has it mapped.
    var sharedMemory: SimulatedSharedMemory?

    init() { memset(bytes, 0, capacity) }

    deinit { bytes.deallocate() }

    /// - Returns: Number of bytes read; what follows the end is zero.
    func read(into target: UnsafeMutableRawPointer, count: Int, at offset: Int) -> Int {
        let available = max(0, min(count, size - offset))
        if available > 0 { memcpy(target, bytes + offset, available) }
        if available < count { memset(target + available, 0, count - available) }
        return available
    }

    func write(_ source: UnsafeRawPointer, count: Int, at offset: Int) {
        let end = offset + count
        reserve(end)
        keep(offset..<end)
        memcpy(bytes + offset, source, count)
        size = max(size, end)
        lastWrite = offset..<end
    }

    func truncate(to newSize: Int) {
        if newSize >= size { return }
        keep(newSize..<size)
        memset(bytes + newSize, 0, size - newSize)
        size = newSize
    }

    /// Everything written so far survives from now on.
    func synchronize() {
        durablePieces.removeAll(keepingCapacity: true)
        durableSize = size
        lastWrite = nil
    }

    /// What was not synchronized is kept or lost, as drawn.
    func losePower(_ random: inout SeededGenerator) {
        // Nothing, something or all of it had reached the disk by itself.
        let survival = [0, 0.5, 0.9, 1][Int(random.next() % 4)]
        let written = size
        if size < durableSize, !random.chance(survival) { size = durableSize }
        var end = min(size, durableSize)
        let isCutBack = size == durableSize && written < durableSize
        for start in stride(from: 0, to: size, by: Self.sectorSize) {
            let sector = start..<min(start + Self.sectorSize, size)
            let isDirty = sector.upperBound > durableSize || durablePieces[start / Self.pieceSize] != nil
            guard isDirty else { continue }
            if isCutBack, sector.upperBound > written {
                restore(sector)
            } else if random.chance(survival) {
                end = max(end, sector.upperBound)
            } else if let lastWrite, sector.contains(lastWrite.upperBound - 1), random.chance(0.5) {
                // The last sector under way may be there in part.
                let cut = start + Int(random.next() % UInt64(sector.count))
                restore(cut..<sector.upperBound)
                end = max(end, cut)
            } else {
                restore(sector)
            }
        }
        if end < size { memset(bytes + end, 0, size - end) }
        size = end
        synchronize()
    }

    /// Takes back what was written to `range` since the file was last synchronized.
    private func restore(_ range: Range<Int>) {
        if let piece = durablePieces[range.lowerBound / Self.pieceSize] {
            let start = range.lowerBound % Self.pieceSize
            let count = min(range.count, piece.count - start)
            if count > 0 {
                piece.withUnsafeBytes { old in
                    guard let base = old.baseAddress else { return }
                    memcpy(bytes + range.lowerBound, base + start, count)
                }
            }
        }
        let beyond = max(range.lowerBound, durableSize)
        if beyond < range.upperBound { memset(bytes + beyond, 0, range.upperBound - beyond) }
    }

    /// Keeps the durable content of `range` before it changes.
    private func keep(_ range: Range<Int>) {
        let end = min(range.upperBound, durableSize)
        if range.lowerBound >= end { return }
        for index in (range.lowerBound / Self.pieceSize)...((end - 1) / Self.pieceSize)
        where durablePieces[index] == nil {
            let start = index * Self.pieceSize
            let count = min(Self.pieceSize, durableSize - start)
            durablePieces[index] = [UInt8](UnsafeRawBufferPointer(start: bytes + start, count: count))
        }
    }

    private func reserve(_ needed: Int) {
        if needed <= capacity { return }
        let newCapacity = max(needed, capacity * 2)
        let larger = UnsafeMutableRawPointer.allocate(byteCount: newCapacity, alignment: 16)
        memcpy(larger, bytes, capacity)
        memset(larger + capacity, 0, newCapacity - capacity)
        bytes.deallocate()
        bytes = larger
        capacity = newCapacity
    }
}
