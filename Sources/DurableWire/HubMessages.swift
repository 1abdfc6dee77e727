package import DurableBackend
package import DurableCore

/// Messages of a hub as they go to the broker: one place for exchanges, keys and properties.
extension HubTopology {
    /// Control messages for one partition, in one delivery.
    ///
    /// - Parameters:
    ///   - messages: 1 or more, all for instances of `partition`; the first one names the delivery's properties.
    ///   - family: `.client` for clients, `.control` for workers.
    ///   - applied: Of the messages of `partition`, what the sending partition has applied; nil: not said.
    package func controlMessage(
        _ messages: [Message], to partition: PartitionID, through family: Family, at now: Timestamp,
        applied: AppliedThrough? = nil
    ) -> OutgoingMessage {
        OutgoingMessage(
            exchange: name(family), routingKey: key(partition),
            properties: properties(
                messages.first?.event.typeName, at: now, messageID: messages.first?.id.value,
                correlationID: messages.first?.instanceID.value),
            body: MessageBatch(messages: messages, applied: applied).wireBytes)
    }

    /// An owner's marker for its own control queue.
    package func marker(of epoch: Epoch, to partition: PartitionID, at now: Timestamp) -> OutgoingMessage {
        OutgoingMessage(
            exchange: name(.control), routingKey: key(partition), properties: properties("Marker", at: now),
            body: MessageBatch(marker: epoch).wireBytes)
    }

    /// What a partition has applied of the messages of another, for that one.
    package func receipt(_ applied: AppliedThrough, to partition: PartitionID, at now: Timestamp) -> OutgoingMessage {
        OutgoingMessage(
            exchange: name(.control), routingKey: key(partition), properties: properties("Applied", at: now),
            body: MessageBatch(applied: applied).wireBytes)
    }

    /// One activity to run.
    package func taskMessage(_ task: TaskMessage, at now: Timestamp) -> OutgoingMessage {
        var properties = properties(
            "TaskScheduled", at: now, messageID: task.messageID, correlationID: task.instanceID.value)
        if let traceParent = task.traceParent {
            properties.headers.append(MessageHeader("traceparent", .string(traceParent)))
        }
        return OutgoingMessage(
            exchange: name(.work), routingKey: task.name, properties: properties, body: task.wireBytes)
    }

    /// An episode for a worker that has its code.
    package func episodeMessage(_ request: EpisodeRequest, at now: Timestamp) -> OutgoingMessage {
        OutgoingMessage(
            exchange: name(.episodes), routingKey: request.code.queueKey,
            properties: properties(
                "Episode", at: now, messageID: "\(request.epoch)/\(request.number)",
                correlationID: request.instanceID.value),
            body: request.wireBytes)
    }

    /// What became of it, or a part of that.
    package func episodeAnswer(
        _ answer: EpisodeAnswer, to partition: PartitionID, at now: Timestamp
    ) -> OutgoingMessage {
        OutgoingMessage(
            exchange: name(.control), routingKey: key(partition),
            properties: properties(
                "EpisodeAnswer", at: now, messageID: "\(answer.id.epoch)/\(answer.id.number)",
                correlationID: answer.id.instanceID.value),
            body: MessageBatch(answer: answer).wireBytes)
    }

    /// A question to a partition's owner.
    ///
    /// - Parameter replyTo: Routing key of the asker's private queue.
    package func question(
        _ query: Question, to partition: PartitionID, correlationID: String, replyTo: String, at now: Timestamp
    ) -> OutgoingMessage {
        var properties = properties("Query", at: now, correlationID: correlationID)
        properties.replyTo = replyTo
        properties.isPersistent = false
        return OutgoingMessage(
            exchange: name(.client), routingKey: queryKey(partition), properties: properties, body: query.wireBytes)
    }

    /// An owner's answer. Nobody may be waiting for it any more.
    package func reply(_ reply: Reply, to routingKey: String, at now: Timestamp) -> OutgoingMessage {
        var properties = properties("Reply", at: now, correlationID: reply.correlationID)
        properties.isPersistent = false
        return OutgoingMessage(
            exchange: name(.reply), routingKey: routingKey, properties: properties, body: reply.wireBytes,
            isMandatory: false)
    }

    package func heartbeat(_ heartbeat: WorkerHeartbeat, at now: Timestamp) -> OutgoingMessage {
        notice("WorkerHeartbeat", heartbeat.wireBytes, at: now)
    }

    /// Asks every worker for a heartbeat.
    package func hello(at now: Timestamp) -> OutgoingMessage { notice("FleetHello", [], at: now) }

    /// Asks workers to stop in order.
    package func drain(_ request: DrainRequest, at now: Timestamp) -> OutgoingMessage {
        notice("DrainRequest", request.wireBytes, at: now)
    }

    /// Tells the workers that run them.
    package func taskCancellation(_ cancellation: TaskCancellation, at now: Timestamp) -> OutgoingMessage {
        notice("TaskCancellation", cancellation.wireBytes, at: now)
    }

    /// The alarm clock of a partition that nobody may own when `due` comes: it goes to the control queue then, without
    /// changing anything there.
    package func wakeUp(of partition: PartitionID, at due: Timestamp, now: Timestamp) -> OutgoingMessage {
        var properties = properties("WakeUp", at: now)
        let delay = max(0, due.millisecondsSinceEpoch - now.millisecondsSinceEpoch)
        properties.expirationMilliseconds = min(UInt64(clamping: delay), Self.longestExpirationMilliseconds)
        return OutgoingMessage(
            exchange: name(.wake), routingKey: key(partition), properties: properties,
            body: MessageBatch(messages: []).wireBytes)
    }

    /// RabbitMQ refuses more: ten years.
    private static var longestExpirationMilliseconds: UInt64 { 315_360_000_000 }

    /// The message whose holder owns `partition`.
    package func baton(for partition: PartitionID, at now: Timestamp) -> OutgoingMessage {
        OutgoingMessage(
            exchange: name(.own), routingKey: key(partition), properties: properties("Baton", at: now), body: [])
    }

    package func journalRecord(_ record: JournalRecord, at now: Timestamp) -> OutgoingMessage {
        OutgoingMessage(
            exchange: name(.journal), routingKey: "", properties: properties("JournalRecord", at: now),
            body: record.wireBytes)
    }

    /// A message for the stream that holds a partition's log.
    package func logMessage(_ message: LogMessage, to stream: String, at now: Timestamp) -> OutgoingMessage {
        let type =
            switch message {
            case .generation: "LogGeneration"
            case .part: "LogPart"
            case .mark: "LogMark"
            case .snapshot: "LogSnapshot"
            case .snapshotComplete: "LogSnapshotComplete"
            }
        return OutgoingMessage(
            exchange: name(.log), routingKey: logKey(stream), properties: properties(type, at: now),
            body: message.wireBytes)
    }

    package func descriptorRecord(_ descriptor: HubDescriptor, at now: Timestamp) -> OutgoingMessage {
        OutgoingMessage(
            exchange: name(.hub), routingKey: "",
            properties: properties("HubDescriptor", at: now, messageID: descriptor.hubID), body: descriptor.wireBytes)
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

    private func notice(_ type: String, _ body: [UInt8], at now: Timestamp) -> OutgoingMessage {
        var properties = properties(type, at: now)
        properties.isPersistent = false
        return OutgoingMessage(
            exchange: name(.fleet), routingKey: "", properties: properties, body: body, isMandatory: false)
    }

    private func properties(
        _ type: String?, at now: Timestamp, messageID: String? = nil, correlationID: String? = nil
    ) -> MessageProperties {
        MessageProperties(
            messageID: messageID, type: type, correlationID: correlationID, timestamp: now,
            contentType: "application/x-protobuf", headers: [MessageHeader("dtq-version", .integer(1))])
    }
}

extension TaskMessage {
    /// The same for every delivery of one dispatch.
    package var messageID: String { "\(executionID.stem)/\(taskID)/\(dispatch)" }
}
