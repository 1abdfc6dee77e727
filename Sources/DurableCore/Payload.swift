/// Opaque bytes of an input, a result or an event's data: the engine passes them through unread.
public struct Payload: Hashable, Sendable {
    public var bytes: [UInt8]

    public init(_ bytes: [UInt8] = []) { self.bytes = bytes }
    public init(_ text: String) { bytes = Array(text.utf8) }

    public var isEmpty: Bool { bytes.isEmpty }
    public var count: Int { bytes.count }

    /// The bytes as text where they are UTF-8, as JSON is; invalid bytes become U+FFFD.
    public var text: String { String(decoding: bytes, as: UTF8.self) }
}
