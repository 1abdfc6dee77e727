internal import DurableBackend
internal import DurableCore

extension OutgoingMessage {
    /// What the message counts for in the bound of unconfirmed bytes.
    var cost: Int { body.count + 256 }
}

extension FrameWriter {
    /// basic.publish, content header and body, the body in as many frames as `frameMax` asks for.
    mutating func write(_ message: OutgoingMessage, channel: UInt16, frameMax: Int) {
        frame(.method, channel: channel) { writer in
            writer.write(0x003C_0028 as UInt32)
            writer.write(0 as UInt16)
            writer.write(short: message.exchange)
            writer.write(short: message.routingKey)
            writer.write(message.isMandatory ? 1 : 0 as UInt8)
        }
        frame(.header, channel: channel) { writer in
            writer.write(0x003C_0000 as UInt32)  // class, weight
            writer.write(UInt64(message.body.count))
            writer.write(message.properties)
        }
        let most = frameMax - 8
        var start = 0
        while start < message.body.count {
            let end = min(start + most, message.body.count)
            frame(.body, channel: channel) { writer in
                writer.write(raw: message.body[start..<end])
            }
            start = end
        }
    }

    /// Property flags from bit 15 down and the present ones in that order (specification 4.2.6.1).
    ///
    /// AMQP times are whole seconds: the fraction of `timestamp` is not carried.
    private mutating func write(_ properties: MessageProperties) {
        var flags: UInt16 = 1 << 12
        if properties.contentType != nil { flags |= 1 << 15 }
        if !properties.headers.isEmpty { flags |= 1 << 13 }
        if properties.correlationID != nil { flags |= 1 << 10 }
        if properties.replyTo != nil { flags |= 1 << 9 }
        if properties.expirationMilliseconds != nil { flags |= 1 << 8 }
        if properties.messageID != nil { flags |= 1 << 7 }
        if properties.timestamp != nil { flags |= 1 << 6 }
        if properties.type != nil { flags |= 1 << 5 }
        if properties.appID != nil { flags |= 1 << 3 }
        write(flags)
        if let text = properties.contentType { write(short: text) }
        if !properties.headers.isEmpty { write(table: properties.headers) }
        write(properties.isPersistent ? 2 : 1 as UInt8)
        if let text = properties.correlationID { write(short: text) }
        if let text = properties.replyTo { write(short: text) }
        if let milliseconds = properties.expirationMilliseconds { write(short: String(milliseconds)) }
        if let text = properties.messageID { write(short: text) }
        if let time = properties.timestamp {
            write(UInt64(clamping: time.millisecondsSinceEpoch / 1000))
        }
        if let text = properties.type { write(short: text) }
        if let text = properties.appID { write(short: text) }
    }
}
