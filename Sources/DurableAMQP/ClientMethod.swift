internal import DurableBackend

/// A method we send, with its fields. Numbers: AMQP 0-9-1 specification and RabbitMQ's extensions (confirm, nack).
enum ClientMethod: Sendable {
    case connectionClose(code: UInt16, text: String)
    case connectionCloseOK
    case channelOpen
    case channelClose
    case channelCloseOK
    case confirmSelect
    case exchangeDeclare(name: String, kind: String, passive: Bool)
    case exchangeDelete(name: String)
    case queueDeclare(name: String, flags: QueueFlags, arguments: [MessageHeader])
    case queueBind(queue: String, exchange: String, routingKey: String)
    case queueDelete(name: String)
    case prefetch(Int)
    case consume(queue: String, consumerTag: String, exclusive: Bool, arguments: [MessageHeader])
    case cancel(consumerTag: String)
    case get(queue: String)
    case acknowledge(UInt64, multiple: Bool)
    case reject(UInt64, requeue: Bool)

    struct QueueFlags: OptionSet, Sendable {
        let rawValue: UInt8
        static let passive = Self(rawValue: 1)
        static let durable = Self(rawValue: 2)
        static let exclusive = Self(rawValue: 4)
        static let autoDelete = Self(rawValue: 8)
    }

    /// Class in the upper half, method in the lower, as librabbitmq numbers them.
    var number: UInt32 {
        switch self {
        case .connectionClose: return 0x000A_0032
        case .connectionCloseOK: return 0x000A_0033
        case .channelOpen: return 0x0014_000A
        case .channelClose: return 0x0014_0028
        case .channelCloseOK: return 0x0014_0029
        case .confirmSelect: return 0x0055_000A
        case .exchangeDeclare: return 0x0028_000A
        case .exchangeDelete: return 0x0028_0014
        case .queueDeclare: return 0x0032_000A
        case .queueBind: return 0x0032_0014
        case .queueDelete: return 0x0032_0028
        case .prefetch: return 0x003C_000A
        case .consume: return 0x003C_0014
        case .cancel: return 0x003C_001E
        case .get: return 0x003C_0046
        case .acknowledge: return 0x003C_0050
        case .reject: return 0x003C_005A
        }
    }

    /// True when `reply` answers this method. A reply's number is the method's plus one throughout, and `get` may
    /// also be answered with get-empty, plus two.
    func isAnswered(by reply: UInt32) -> Bool {
        if case .get = self, reply == number + 2 { return true }
        return reply == number + 1
    }
}

extension FrameWriter {
    mutating func write(_ method: ClientMethod, channel: UInt16) {
        frame(.method, channel: channel) { writer in
            writer.write(method.number)
            writer.writeFields(of: method)
        }
    }

    private mutating func writeFields(of method: ClientMethod) {
        let ticket: UInt16 = 0  // reserved since 0-9-1
        switch method {
        case .connectionClose(let code, let text):
            write(code)
            write(short: text)
            write(0 as UInt32)  // no failing method
        case .connectionCloseOK, .channelCloseOK: break
        case .channelOpen: write(short: "")
        case .channelClose:
            write(200 as UInt16)
            write(short: "done")
            write(0 as UInt32)
        case .confirmSelect: write(0 as UInt8)
        case .exchangeDeclare(let name, let kind, let passive):
            write(ticket)
            write(short: name)
            write(short: kind)
            write(passive ? 1 : 2 as UInt8)  // durable
            write(table: [])
        case .exchangeDelete(let name):
            write(ticket)
            write(short: name)
            write(0 as UInt8)
        case .queueDeclare(let name, let flags, let arguments):
            write(ticket)
            write(short: name)
            write(flags.rawValue)
            write(table: arguments)
        case .queueBind(let queue, let exchange, let routingKey):
            write(ticket)
            write(short: queue)
            write(short: exchange)
            write(short: routingKey)
            write(0 as UInt8)
            write(table: [])
        case .queueDelete(let name):
            write(ticket)
            write(short: name)
            write(0 as UInt8)
        case .prefetch(let count):
            write(0 as UInt32)
            write(UInt16(clamping: count))
            write(0 as UInt8)  // per consumer
        case .consume(let queue, let consumerTag, let exclusive, let arguments):
            write(ticket)
            write(short: queue)
            write(short: consumerTag)
            write(exclusive ? 4 : 0 as UInt8)
            write(table: arguments)
        case .cancel(let consumerTag):
            write(short: consumerTag)
            write(0 as UInt8)
        case .get(let queue):
            write(ticket)
            write(short: queue)
            write(0 as UInt8)
        case .acknowledge(let tag, let multiple):
            write(tag)
            write(multiple ? 1 : 0 as UInt8)
        case .reject(let tag, let requeue):
            write(tag)
            write(requeue ? 1 : 0 as UInt8)
        }
    }
}
