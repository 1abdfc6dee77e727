internal import DurableBackend

/// Bytes on their way to the broker: whole frames appended at the end, taken by the kernel from the front.
///
/// Everything we send goes through here, so that nothing can land inside a frame the kernel took only half of.
/// Layout: AMQP 0-9-1 specification, section 4.2 (frames) and 4.2.5 (field tables).
struct FrameWriter {
    private(set) var bytes: [UInt8] = []
    private var taken = 0

    var isEmpty: Bool { taken == bytes.count }
    var pendingByteCount: Int { bytes.count - taken }

    /// Offers what is pending; `send` answers how much was taken.
    mutating func drain(_ send: (UnsafeRawBufferPointer) throws(TransportError) -> Int) throws(TransportError) {
        let count = try bytes.withUnsafeBufferPointer { (all) throws(TransportError) -> Int in
            try send(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: all[taken...])))
        }
        taken += count
        if taken == bytes.count {
            let isLarge = bytes.capacity > 1 << 20
            bytes.removeAll(keepingCapacity: !isLarge)
            taken = 0
        } else if taken > 1 << 20, taken > bytes.count / 2 {
            bytes.removeFirst(taken)
            taken = 0
        }
    }

    // MARK: Frames

    enum FrameKind: UInt8 { case method = 1, header = 2, body = 3, heartbeat = 8 }

    mutating func frame(_ kind: FrameKind, channel: UInt16, _ payload: (inout FrameWriter) -> Void) {
        write(kind.rawValue)
        write(channel)
        let size = placeholder()
        payload(&self)
        fill(size)
        write(0xCE as UInt8)
    }

    mutating func heartbeat() { frame(.heartbeat, channel: 0) { _ in } }

    // MARK: Values

    mutating func write<Integer: FixedWidthInteger>(_ value: Integer) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func write(raw more: some Collection<UInt8>) { bytes.append(contentsOf: more) }

    /// - Parameter text: At most 255 bytes; whoever takes text from outside checks first (`OutgoingMessage.defect`).
    mutating func write(short text: String) {
        var text = text
        text.withUTF8 { utf8 in
            precondition(utf8.count <= 255, "AMQP short strings have at most 255 bytes")
            write(UInt8(utf8.count))
            bytes.append(contentsOf: utf8)
        }
    }

    mutating func write(long text: String) {
        var text = text
        text.withUTF8 { utf8 in
            write(UInt32(utf8.count))
            bytes.append(contentsOf: utf8)
        }
    }

    mutating func write(table entries: [MessageHeader]) {
        let size = placeholder()
        for entry in entries {
            write(short: entry.name)
            switch entry.value {
            case .string(let text):
                write(UInt8(ascii: "S"))
                write(long: text)
            case .integer(let number):
                write(UInt8(ascii: "l"))
                write(number)
            case .boolean(let flag):
                write(UInt8(ascii: "t"))
                write(flag ? 1 : 0 as UInt8)
            }
        }
        fill(size)
    }

    /// Leaves room for a 32-bit length; `fill` sets it to what was written since.
    private mutating func placeholder() -> Int {
        write(0 as UInt32)
        return bytes.count
    }

    private mutating func fill(_ start: Int) {
        let length = UInt32(bytes.count - start)
        for index in 0..<4 { bytes[start - 4 + index] = UInt8(truncatingIfNeeded: length >> (24 - 8 * index)) }
    }
}
