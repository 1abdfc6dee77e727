package import DurableBackend
package import DurableCore
import DurableWire

/// Messages of a hub as they go to the broker: one place for exchanges, keys and properties.
extension HubTopology {
    /// Control messages for one partition, in one delivery.
    ///
    /// - Parameters:
    ///   - messages: 1 or more, all for instances of `partition`; the first one names the delivery's properties.
    ///   - family: `.client` for clients, `.control` for workers.
    package func controlMessage(
        _ messages: [Message], to partition: PartitionID, through family: Family, at now: Timestamp
    ) -> OutgoingMessage {
        var properties = MessageProperties(
            messageID: messages.first?.id.value, type: messages.first?.event.typeName,
            correlationID: messages.first?.instanceID.value, timestamp: now, contentType: "application/x-protobuf")
        properties.headers = [MessageHeader("dtq-version", .integer(1))]
        return OutgoingMessage(
            exchange: name(family), routingKey: key(partition), properties: properties,
            body: MessageBatch(messages: messages).wireBytes)
    }

    /// The message whose holder owns `partition`.
    package func baton(for partition: PartitionID) -> OutgoingMessage {
        OutgoingMessage(
            exchange: name(.own), routingKey: key(partition), properties: MessageProperties(type: "Baton"), body: [])
    }

    /// A copy of `delivery` for the dead-letter queue, with the reason in its headers.
    package func deadLetter(
        _ delivery: Delivery, from queue: String, code: String, reason: String
    ) -> OutgoingMessage {
        var properties = delivery.properties
        properties.isPersistent = true
        properties.expirationMilliseconds = nil
        properties.headers.removeAll { $0.name.hasPrefix("dtq-") && $0.name != "dtq-version" }
        properties.headers += [
            MessageHeader("dtq-code", .string(code)), MessageHeader("dtq-queue", .string(queue)),
            MessageHeader("dtq-reason", .string(reason)),
        ]
        return OutgoingMessage(exchange: name(.dead), routingKey: "", properties: properties, body: delivery.body)
    }
}

extension TaskMessage {
    /// The same for every delivery of one dispatch.
    package var messageID: String { "\(executionID)/\(taskID)/\(dispatch)" }
}
