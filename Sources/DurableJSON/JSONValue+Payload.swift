package import DurableCore

extension JSONValue {
    /// JSON as it is; other text as a string; other bytes as `{"base64": ...}`, with `sealed` where they say what they are.
    package static func payload(_ payload: Payload?) -> JSONValue {
        guard let payload else { return .null }
        if let sealed = payload.sealedDescription {
            return ["sealed": .string(sealed), "base64": .string(Base64.encode(payload.bytes))]
        }
        if let value = try? JSONParser.parse(payload.bytes) { return value }
        if let text = String(validating: payload.bytes, as: UTF8.self) { return .string(text) }
        return ["base64": .string(Base64.encode(payload.bytes))]
    }

    package static func failure(_ failure: FailureDetails) -> JSONValue {
        var members: [Member] = [
            .init("type", .string(failure.errorType)), .init("message", .string(failure.message)),
            .init("nonRetryable", .boolean(failure.isNonRetryable)),
            .init("cause", .array(failure.cause.map(JSONValue.failure))),
        ]
        if let trace = failure.stackTrace { members.append(.init("stackTrace", .string(trace))) }
        return .object(members)
    }
}

/// RFC 4648, section 4, with padding.
enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = group.reduce(0) { $0 << 8 | UInt32($1) } << (8 * UInt32(3 - group.count))
            for index in 0..<4 {
                text.append(
                    index <= group.count ? alphabet[Int(bits >> (18 - 6 * UInt32(index)) & 63)] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// - Returns: nil when `text` is not what `encode` writes.
    static func decode(_ text: String) -> [UInt8]? {
        var (bytes, bits, count) = ([UInt8](), UInt32(0), 0)
        let digits = text.utf8.prefix { $0 != UInt8(ascii: "=") }
        for digit in digits {
            guard let value = alphabet.firstIndex(of: digit) else { return nil }
            bits = bits << 6 | UInt32(value)
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        return encode(bytes) == text ? bytes : nil
    }
}
