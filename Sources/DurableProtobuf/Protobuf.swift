public import DurableTask
import FoundationEssentials
public import SwiftProtobuf

/// A protobuf message as an input, a result or an event's data: its bytes instead of JSON, with its full name.
///
/// ```swift
/// let charge = Activity("Charge") { (order: Protobuf<Shop_Order>, _: ActivityContext) async throws -> Protobuf<Shop_Receipt> in
///     Protobuf(try await payments.charge(order.message))
/// }
/// ```
///
/// Fields that one side does not know survive, as in any protobuf message. A message of another name is refused. JSON in the
/// protobuf mapping is read too, so that `dtq submit --input '{"orderId":"o-1"}'` starts an instance.
public struct Protobuf<Message: SwiftProtobuf.Message & Sendable>: PayloadRepresentable, Sendable {
    /// As SwiftProtobuf generated its type.
    public var message: Message

    /// As an input, a result or an event's data.
    public init(_ message: Message) { self.message = message }

    public static var payloadForm: PayloadForm { PayloadForm(name: "protobuf", typeName: Message.protoMessageName) }

    public func payloadContent() throws -> [UInt8] {
        var options = BinaryEncodingOptions()
        // Maps have no order of their own.
        options.useDeterministicOrdering = true
        return try message.serializedBytes(options: options)
    }

    public init(payloadContent: [UInt8]) throws { message = try Message(serializedBytes: payloadContent) }

    public init(payloadJSON: [UInt8]) throws {
        var options = JSONDecodingOptions()
        options.ignoreUnknownFields = true
        message = try Message(jsonUTF8Bytes: payloadJSON, options: options)
    }

    // MARK: - Inside other values

    /// From base64 of the message's bytes.
    public init(from decoder: any Swift.Decoder) throws {
        try self.init(payloadContent: Array(try decoder.singleValueContainer().decode(Data.self)))
    }

    /// As base64 of the message's bytes.
    public func encode(to encoder: any Swift.Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(Data(try payloadContent()))
    }
}

extension Protobuf: Equatable where Message: Equatable {}
extension Protobuf: Hashable where Message: Hashable {}
