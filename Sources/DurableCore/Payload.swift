/// Opaque bytes of an input, a result or an event's data: the engine passes them through unread.
public struct Payload: Hashable, Sendable {
    /// As they are on the wire and in the tables.
    public var bytes: [UInt8]

    /// Bytes as they are.
    public init(_ bytes: [UInt8] = []) { self.bytes = bytes }
    /// The text's UTF-8 as it is: for a value in JSON, write the JSON.
    public init(_ text: String) { bytes = Array(text.utf8) }

    /// Whether there is no byte, which is no JSON; a call without a value has no payload instead.
    public var isEmpty: Bool { bytes.isEmpty }
    /// In bytes.
    public var count: Int { bytes.count }

    /// The bytes as text where they are UTF-8, as JSON is; invalid bytes become U+FFFD.
    public var text: String { String(decoding: bytes, as: UTF8.self) }
}
