package import DurableCore

/// A value with a form of its own as a payload in place of JSON, such as a protobuf message (module `DurableProtobuf`).
///
/// The form counts where the value is the whole of an input, a result or an event's data. Inside other values it is
/// coded as they are.
public protocol PayloadRepresentable: Codable {
    /// What the payload says it is. A reader that expects another one refuses it.
    static var payloadForm: PayloadForm { get }

    /// The value's bytes: the same for equal values.
    func payloadContent() throws -> [UInt8]

    /// Reads what `payloadContent()` gives.
    ///
    /// - Throws: The bytes are no such value; where code is given them it fails, as with JSON that does not fit.
    init(payloadContent: [UInt8]) throws

    /// From JSON, as `dtq submit --input` and clients in other languages send it.
    init(payloadJSON: [UInt8]) throws
}

/// Names a form of payloads and a type within it.
public struct PayloadForm: Hashable, Sendable, CustomStringConvertible {
    /// Such as `protobuf`; 1 to 64 bytes.
    public let name: String
    /// Such as `shop.v1.Order`.
    public let typeName: String

    /// Names a form; what is written under it is read under no other.
    public init(name: String, typeName: String) {
        self.name = name
        self.typeName = typeName
    }

    public var description: String { "\(name) \(typeName)" }
}

extension PayloadRepresentable {
    func payload() throws -> Payload {
        let form = Self.payloadForm
        return PayloadEnvelope(
            .value, form.name, parameters: Array(form.typeName.utf8), content: try payloadContent()
        ).payload
    }

    /// - Throws: `PayloadFormMismatch`, or what the type's own decoding throws.
    static func value(of payload: Payload) throws -> Self {
        guard payload.isInEnvelope else { return try Self(payloadJSON: payload.bytes) }
        guard let envelope = try PayloadEnvelope.read(payload), envelope.layer == .value else {
            throw PayloadFormMismatch(expected: "\(payloadForm)", payload)
        }
        let form = PayloadForm(
            name: envelope.name, typeName: String(decoding: envelope.parameters, as: UTF8.self))
        guard form == payloadForm else { throw PayloadFormMismatch(expected: "\(payloadForm)", payload) }
        return try Self(payloadContent: envelope.content)
    }
}

/// A payload is of another form than its reader expects.
package struct PayloadFormMismatch: DescribedPayloadError {
    package let description: String

    package init(expected: String, _ payload: Payload) {
        let found: String
        switch try? PayloadEnvelope.read(payload) {
        case let envelope? where envelope.layer == .value:
            found = "\(envelope.name) \(String(decoding: envelope.parameters, as: UTF8.self))"
        case let envelope?:
            found = "what \"\(envelope.name)\" made, which was not opened: see the payload options (docs/payloads.md)"
        case nil: found = "a payload whose header cannot be read"
        }
        description = "expected \(expected), found \(found)"
    }
}
