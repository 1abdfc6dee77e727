/// Turns the bytes of payloads into others and back: compression, encryption, or one of your own.
///
/// What a codec makes stands in an envelope with its name, so that a reader finds the codec that undoes it, and says so
/// when it has none. Calls come from many threads at a time, also from those that run orchestrations: a codec computes,
/// and waits for nothing. (Keys that a service must unwrap are unwrapped when the codec is made.)
public protocol PayloadCodec: Sendable {
    /// Names its envelopes in histories: 1 to 64 bytes, never changed, never given to another codec.
    var name: String { get }

    /// - Parameter content: A payload, or what another codec made of it.
    /// - Returns: nil: the content is to stay as it is, as when compressing would not make it smaller.
    /// - Throws: What keeps the payload from being written; whoever writes it fails with it.
    func encode(_ content: [UInt8]) throws -> EncodedPayload?

    /// Undoes `encode`.
    ///
    /// - Throws: `PayloadCodecError`. What code did not ask for is not handed to it: its instance is held.
    func decode(_ encoded: EncodedPayload) throws -> [UInt8]
}

/// What a codec made of bytes.
public struct EncodedPayload: Hashable, Sendable {
    /// What `decode` needs beside the content, such as a key's ID; readable by everybody. At most 65,535 bytes.
    public var parameters: [UInt8]
    /// What `decode` undoes; whoever has no such codec passes it on as it is.
    public var content: [UInt8]

    /// For codecs, as the result of `encode`.
    public init(parameters: [UInt8] = [], content: [UInt8]) {
        self.parameters = parameters
        self.content = content
    }
}

/// Why a codec cannot decode a payload. Its text holds no content.
public struct PayloadCodecError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Whether another process, or this one later, may be able to: a key is missing here. Otherwise the bytes are damaged.
    public let isCurable: Bool
    /// The end of a sentence about the payload, such as `its key is not here`.
    public let reason: String

    /// For codecs, to be thrown by `decode`.
    public init(isCurable: Bool, reason: String) {
        self.isCurable = isCurable
        self.reason = reason
    }

    public var description: String { reason }
}
