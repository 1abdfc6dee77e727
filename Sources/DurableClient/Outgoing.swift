import DurableBackend
import DurableCore
import DurableWire

/// Messages of a client as they go to the broker: one place for exchanges, keys and properties.
struct Outgoing {
    var topology: HubTopology

    /// One start, raise or terminate for its instance's partition.
    func control(_ message: Message, to partition: PartitionID, at now: Timestamp) -> OutgoingMessage {
        OutgoingMessage(
            exchange: topology.name(.client), routingKey: topology.key(partition),
            properties: MessageProperties(
                messageID: message.id.value, type: message.event.typeName, correlationID: message.instanceID.value,
                timestamp: now, contentType: "application/x-protobuf",
                headers: [MessageHeader("dtq-version", .integer(1))]),
            body: MessageBatch(messages: [message]).wireBytes)
    }

    /// - Parameter replyTo: Routing key of the asker's private queue.
    func question(
        _ query: Query, to partition: PartitionID, correlationID: String, replyTo: String, at now: Timestamp
    ) -> OutgoingMessage {
        OutgoingMessage(
            exchange: topology.name(.client), routingKey: topology.queryKey(partition),
            properties: MessageProperties(
                type: "Query", correlationID: correlationID, replyTo: replyTo, timestamp: now,
                contentType: "application/x-protobuf", isPersistent: false,
                headers: [MessageHeader("dtq-version", .integer(1))]),
            body: query.wireBytes)
    }

    /// Asks every worker for a heartbeat.
    func hello(at now: Timestamp) -> OutgoingMessage {
        OutgoingMessage(
            exchange: topology.name(.fleet), routingKey: "",
            properties: MessageProperties(type: "FleetHello", timestamp: now, isPersistent: false), body: [],
            isMandatory: false)
    }

    func baton(for partition: PartitionID, at now: Timestamp) -> OutgoingMessage {
        OutgoingMessage(
            exchange: topology.name(.own), routingKey: topology.key(partition),
            properties: MessageProperties(type: "Baton", timestamp: now), body: [])
    }

    func descriptor(_ descriptor: HubDescriptor, at now: Timestamp) -> OutgoingMessage {
        OutgoingMessage(
            exchange: topology.name(.hub), routingKey: "",
            properties: MessageProperties(
                messageID: descriptor.hubID, type: "HubDescriptor", timestamp: now,
                contentType: "application/x-protobuf", headers: [MessageHeader("dtq-version", .integer(1))]),
            body: descriptor.wireBytes)
    }
}
