internal import CRabbitMQ
internal import DurableBackend
internal import DurableCore

/// A frame from the broker as a value; nothing in it points into librabbitmq's memory.
enum ServerFrame {
    case method(ServerMethod)
    case header(bodySize: Int, properties: ReceivedProperties)
    case body([UInt8])
    case other
}

/// Methods a broker sends us, those we act on one by one.
enum ServerMethod {
    case connectionClose(code: Int, text: String)
    case blocked(reason: String)
    case unblocked
    case channelClose(code: Int, text: String)
    case channelCloseOK
    case deliver(DeliveryHead)
    case returned(text: String, exchange: String, routingKey: String)
    case acknowledged(UInt64, multiple: Bool)
    case refused(UInt64, multiple: Bool)
    case cancelled(consumerTag: String)
    case reply(UInt32, ServerReply)
}

/// What answered a method of ours.
enum ServerReply: Sendable {
    case done
    case queue(messages: Int, consumers: Int)
    case noMessage
    case message(Delivery)
}

/// What comes before the properties and body of a delivery.
struct DeliveryHead {
    var tag: UInt64
    var consumerTag: String
    var exchange: String
    var routingKey: String
    var isRedelivered: Bool
    /// Answers basic.get rather than belonging to a consumer.
    var isGet: Bool
}

/// Properties as received; what queues and streams add in headers stands apart.
struct ReceivedProperties {
    var properties: MessageProperties
    var deliveryCount: Int?
    var streamOffset: UInt64?
}

extension ServerFrame {
    /// Copies out of `frame`, whose memory is librabbitmq's until the next release of buffers.
    init(_ frame: amqp_frame_t) {
        switch Int32(frame.frame_type) {
        case AMQP_FRAME_METHOD: self = ServerMethod(frame.payload.method).map(Self.method) ?? .other
        case AMQP_FRAME_HEADER:
            let header = frame.payload.properties
            guard let decoded = header.decoded else { self = .other; return }
            let properties = decoded.assumingMemoryBound(to: amqp_basic_properties_t.self).pointee
            self = .header(bodySize: Int(clamping: header.body_size), properties: ReceivedProperties(properties))
        case AMQP_FRAME_BODY: self = .body(frame.payload.body_fragment.array)
        default: self = .other
        }
    }
}

extension ServerMethod {
    /// nil for what needs no answer and changes nothing here (heartbeats, flow, secret updates).
    init?(_ method: amqp_method_t) {
        func fields<Fields>(_: Fields.Type) -> Fields? {
            method.decoded.map { $0.assumingMemoryBound(to: Fields.self).pointee }
        }
        switch method.id {
        case 0x000A_0032:
            guard let close = fields(amqp_connection_close_t.self) else { return nil }
            self = .connectionClose(code: Int(close.reply_code), text: close.reply_text.text)
        case 0x000A_003C:
            guard let blocked = fields(amqp_connection_blocked_t.self) else { return nil }
            self = .blocked(reason: blocked.reason.text)
        case 0x000A_003D: self = .unblocked
        case 0x0014_0028:
            guard let close = fields(amqp_channel_close_t.self) else { return nil }
            self = .channelClose(code: Int(close.reply_code), text: close.reply_text.text)
        case 0x0014_0029: self = .channelCloseOK
        case 0x003C_003C:
            guard let head = fields(amqp_basic_deliver_t.self) else { return nil }
            self = .deliver(
                DeliveryHead(
                    tag: head.delivery_tag, consumerTag: head.consumer_tag.text, exchange: head.exchange.text,
                    routingKey: head.routing_key.text, isRedelivered: head.redelivered != 0, isGet: false))
        case 0x003C_0047:
            guard let head = fields(amqp_basic_get_ok_t.self) else { return nil }
            self = .deliver(
                DeliveryHead(
                    tag: head.delivery_tag, consumerTag: "", exchange: head.exchange.text,
                    routingKey: head.routing_key.text, isRedelivered: head.redelivered != 0, isGet: true))
        case 0x003C_0032:
            guard let head = fields(amqp_basic_return_t.self) else { return nil }
            self = .returned(
                text: head.reply_text.text, exchange: head.exchange.text, routingKey: head.routing_key.text)
        case 0x003C_0050:
            guard let answer = fields(amqp_basic_ack_t.self) else { return nil }
            self = .acknowledged(answer.delivery_tag, multiple: answer.multiple != 0)
        case 0x003C_0078:
            guard let answer = fields(amqp_basic_nack_t.self) else { return nil }
            self = .refused(answer.delivery_tag, multiple: answer.multiple != 0)
        case 0x003C_001E:
            guard let cancel = fields(amqp_basic_cancel_t.self) else { return nil }
            self = .cancelled(consumerTag: cancel.consumer_tag.text)
        case 0x0032_000B:
            guard let queue = fields(amqp_queue_declare_ok_t.self) else { return nil }
            let reply = ServerReply.queue(messages: Int(queue.message_count), consumers: Int(queue.consumer_count))
            self = .reply(method.id, reply)
        case 0x003C_0048: self = .reply(method.id, .noMessage)
        default: self = .reply(method.id, .done)
        }
    }
}

extension ReceivedProperties {
    /// Scalar headers are kept in order of name, anything else (tables such as `x-death`, arrays, floats) is left out.
    init(_ received: amqp_basic_properties_t) {
        func text(_ bit: Int32, _ value: amqp_bytes_t) -> String? {
            received._flags & UInt32(bit) == 0 ? nil : value.text
        }
        let has = { (bit: Int32) in received._flags & UInt32(bit) != 0 }
        properties = MessageProperties(
            messageID: text(AMQP_BASIC_MESSAGE_ID_FLAG, received.message_id),
            type: text(AMQP_BASIC_TYPE_FLAG, received.type),
            correlationID: text(AMQP_BASIC_CORRELATION_ID_FLAG, received.correlation_id),
            replyTo: text(AMQP_BASIC_REPLY_TO_FLAG, received.reply_to),
            appID: text(AMQP_BASIC_APP_ID_FLAG, received.app_id),
            contentType: text(AMQP_BASIC_CONTENT_TYPE_FLAG, received.content_type),
            expirationMilliseconds: text(AMQP_BASIC_EXPIRATION_FLAG, received.expiration).flatMap { UInt64($0) },
            isPersistent: has(AMQP_BASIC_DELIVERY_MODE_FLAG) && received.delivery_mode == 2)
        if has(AMQP_BASIC_TIMESTAMP_FLAG) {
            let seconds = Int64(clamping: received.timestamp)
            let (milliseconds, overflow) = seconds.multipliedReportingOverflow(by: 1000)
            properties.timestamp = overflow ? .distantFuture : Timestamp(millisecondsSinceEpoch: milliseconds)
        }
        guard has(AMQP_BASIC_HEADERS_FLAG) else { return }
        let entries = UnsafeBufferPointer(
            start: received.headers.entries, count: Int(max(0, received.headers.num_entries)))
        for entry in entries {
            guard let value = MessageHeader.Value(entry.value) else { continue }
            switch (entry.key.text, value) {
            case ("x-delivery-count", .integer(let count)): deliveryCount = Int(clamping: count)
            case ("x-stream-offset", .integer(let offset)): streamOffset = UInt64(clamping: offset)
            case (let name, _): properties.headers.append(MessageHeader(name, value))
            }
        }
        properties.headers.sort { $0.name < $1.name }
    }
}

extension MessageHeader.Value {
    fileprivate init?(_ field: amqp_field_value_t) {
        switch UInt32(field.kind) {
        case AMQP_FIELD_KIND_UTF8.rawValue: self = .string(field.value.bytes.text)
        case AMQP_FIELD_KIND_BOOLEAN.rawValue: self = .boolean(field.value.boolean != 0)
        case AMQP_FIELD_KIND_I8.rawValue: self = .integer(Int64(field.value.i8))
        case AMQP_FIELD_KIND_U8.rawValue: self = .integer(Int64(field.value.u8))
        case AMQP_FIELD_KIND_I16.rawValue: self = .integer(Int64(field.value.i16))
        case AMQP_FIELD_KIND_U16.rawValue: self = .integer(Int64(field.value.u16))
        case AMQP_FIELD_KIND_I32.rawValue: self = .integer(Int64(field.value.i32))
        case AMQP_FIELD_KIND_U32.rawValue: self = .integer(Int64(field.value.u32))
        case AMQP_FIELD_KIND_I64.rawValue: self = .integer(field.value.i64)
        case AMQP_FIELD_KIND_U64.rawValue: self = .integer(Int64(clamping: field.value.u64))
        default: return nil
        }
    }
}

extension amqp_bytes_t {
    /// A copy as text; bytes that are not UTF-8 come out as U+FFFD.
    var text: String { String(decoding: UnsafeRawBufferPointer(start: bytes, count: len), as: UTF8.self) }
    var array: [UInt8] { Array(UnsafeRawBufferPointer(start: bytes, count: len)) }
}
