package import DurableCore
import FoundationEssentials

/// Values as payloads: JSON with sorted keys and fragments (`"text"`, `7`, `null`), dates in ISO 8601 to the
/// millisecond; any fraction and offset is read. `NoValue` is no payload at all, and a `PayloadRepresentable` value has a
/// form of its own.
package enum PayloadCoding {
    // JSONEncoder and JSONDecoder are Sendable; their options are set once, here.
    private static let encoder = {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .custom { date, encoder in
            var container = encoder.singleValueContainer()
            try container.encode(Timestamp(date).description)
        }
        return encoder
    }()

    private static let decoder = {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .custom { decoder in
            let container = try decoder.singleValueContainer()
            guard let timestamp = Timestamp(iso8601: try container.decode(String.self)) else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "no ISO 8601 date")
            }
            return Date(timestamp)
        }
        return decoder
    }()

    /// - Parameter what: Whose payload it is, for the error's text.
    package static func encode<Value: Encodable>(
        _ value: Value, as what: @autoclosure () -> String
    ) throws(PayloadError) -> Payload? {
        if Value.self == NoValue.self { return nil }
        do {
            if let value = value as? any PayloadRepresentable { return try value.payload() }
            return Payload(Array(try encoder.encode(value)))
        } catch {
            throw PayloadError(direction: .encoding, subject: what(), reason: Self.reason(for: error, Value.self))
        }
    }

    /// - Parameter what: Whose payload it is, for the error's text.
    package static func decode<Value: Decodable>(
        _ type: Value.Type, from payload: Payload?, as what: @autoclosure () -> String
    ) throws(PayloadError) -> Value {
        // Whatever arrives: who sends it may be of another version.
        if type == NoValue.self, let nothing = NoValue() as? Value { return nothing }
        do {
            if let payload {
                if let form = type as? any PayloadRepresentable.Type, let value = try form.value(of: payload) as? Value
                {
                    return value
                }
                if payload.isInEnvelope { throw PayloadFormMismatch(expected: "\(type)", payload) }
            }
            return try decoder.decode(type, from: payload.map { Data($0.bytes) } ?? Data("null".utf8))
        } catch {
            let reason =
                payload == nil ? "expected \(type), but there is no payload" : Self.reason(for: error, type)
            throw PayloadError(direction: .decoding, subject: what(), reason: reason)
        }
    }

    /// Says what was expected and where, never what stood there: debug descriptions quote the payload.
    private static func reason(for error: any Error, _ type: Any.Type) -> String {
        switch error {
        case DecodingError.typeMismatch(let expected, let context):
            "expected \(expected) at \(path(context.codingPath)) while reading \(type)"
        case DecodingError.valueNotFound(let expected, let context):
            "expected \(expected), found null at \(path(context.codingPath)) while reading \(type)"
        case DecodingError.keyNotFound(let key, let context):
            "key \"\(key.stringValue)\" is missing at \(path(context.codingPath)) while reading \(type)"
        case DecodingError.dataCorrupted(let context) where context.codingPath.isEmpty:
            "expected \(type), found something that is no JSON or does not fit"
        case DecodingError.dataCorrupted(let context):
            "the value at \(path(context.codingPath)) does not fit while reading \(type)"
        case EncodingError.invalidValue(let value, let context):
            "\(Swift.type(of: value)) at \(path(context.codingPath)) of \(type) has a value that JSON cannot hold"
        case let error as any DescribedPayloadError: error.description
        default:
            "\(type) threw an error of type \(Swift.type(of: error))"
        }
    }

    private static func path(_ keys: [any CodingKey]) -> String {
        keys.reduce(into: "$") { path, key in
            if let index = key.intValue { path += "[\(index)]" } else { path += ".\(key.stringValue)" }
        }
    }
}

/// Thrown by a type's own decoding, with a text that may be shown: it tells what is wrong without content that is secret.
package protocol DescribedPayloadError: Error, CustomStringConvertible, Sendable {}

/// A value could not be turned into a payload, or a payload not into the expected type. Its text holds types and
/// paths, no content.
public struct PayloadError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Which way it went wrong.
    public enum Direction: Hashable, Sendable {
        /// A value could not be made a payload.
        case encoding
        /// A payload does not fit the expected type.
        case decoding
    }

    /// Encoding: a value of this process does not fit. Decoding: what came does not.
    public let direction: Direction
    /// Whose payload it is, such as `the result of activity "Charge"`.
    public let subject: String
    /// What was expected and where, never what stood there.
    public let reason: String

    static let encodingErrorType = "PayloadEncodingError"

    public var description: String {
        "\(subject) cannot be \(direction == .encoding ? "encoded" : "decoded"): \(reason)"
    }

    /// Trying again meets the same bytes.
    var failureDetails: FailureDetails {
        FailureDetails(
            errorType: direction == .encoding ? Self.encodingErrorType : "PayloadDecodingError",
            message: description, isNonRetryable: true)
    }
}
