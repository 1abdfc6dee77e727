import DurableBackend
import DurableCore
import DurableWire

/// A client's private reply queue: one task reads it and hands each reply to whoever asked.
///
/// When its channel dies it is opened again under the same routing key, and questions still open are asked again.
actor ReplyDesk {
    /// What replies are addressed to, on the `reply` exchange. The same for the client's whole life.
    nonisolated let routingKey: String

    private struct Slot {
        /// Sent again when the channel was lost; nil for submissions, which are not asked twice.
        var question: OutgoingMessage?
        var reply: Reply?
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let transport: any MessageTransport
    private let topology: HubTopology
    private let clock: any EngineClock
    private var slots: [String: Slot] = [:]  // by correlation ID; look-up only, except for asking again
    private var opening: Task<any ConsumerChannel, any Error>?
    /// Outlives the call that opened the queue, ends with `close()` or with the client.
    private let reader = PlatformLock<Task<Void, Never>?>(nil)
    private var openedCount = 0
    private var isClosed = false

    init(transport: any MessageTransport, topology: HubTopology, clock: any EngineClock, routingKey: String) {
        self.transport = transport
        self.topology = topology
        self.clock = clock
        self.routingKey = routingKey
    }

    /// Makes sure that the queue is there. Idempotent.
    func open() async throws {
        if isClosed { throw ClientError.wrapping(TransportError.closed, "cannot ask hub \"\(topology.hub)\"") }
        if reader.withLock({ $0 != nil }) { return }
        let task = opening ?? Task { try await self.openChannel() }
        opening = task
        let channel: any ConsumerChannel
        do {
            channel = try await task.value
        } catch {
            opening = nil
            throw error
        }
        if isClosed {
            await channel.close()
            return
        }
        reader.withLock { reader in
            if reader == nil { reader = Task { await self.read(from: channel) } }
        }
    }

    /// Registers a question before it is published, so that no reply can come too early.
    func expect(_ correlationID: String, question: OutgoingMessage? = nil) {
        // Somebody who asks the same already gives way, rather than to wait for ever.
        forget(correlationID)
        slots[correlationID] = Slot(question: question)
    }

    func forget(_ correlationID: String) { slots.removeValue(forKey: correlationID)?.waiter?.resume() }

    /// The reply to a registered question; nil when none came within `patience` or the task was cancelled.
    func reply(to correlationID: String, within patience: Duration) async -> Reply? {
        if slots[correlationID]?.reply == nil {
            let clock = clock
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await self.arrival(of: correlationID) }
                group.addTask { await clock.sleep(for: patience) }
                await group.next()
                group.cancelAll()
            }
        }
        defer { slots[correlationID]?.reply = nil }
        return slots[correlationID]?.reply
    }

    func close() async {
        isClosed = true
        abandon()
        for id in slots.keys { forget(id) }
        if let opening, let channel = try? await opening.value { await channel.close() }
        opening = nil
    }

    /// Ends the reader without waiting for it.
    nonisolated func abandon() { reader.withLock { $0?.cancel() } }

    private func arrival(of correlationID: String) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                guard slots[correlationID] != nil, slots[correlationID]?.reply == nil else { return waiter.resume() }
                slots[correlationID]?.waiter?.resume()
                slots[correlationID]?.waiter = waiter
            }
        } onCancel: {
            Task { await self.wake(correlationID) }
        }
    }

    private func wake(_ correlationID: String) {
        slots[correlationID]?.waiter?.resume()
        slots[correlationID]?.waiter = nil
    }

    // MARK: - The queue

    private func openChannel() async throws -> any ConsumerChannel {
        openedCount += 1
        // A broker that has not yet noticed the lost connection still holds the queue of the old name.
        let name = topology.name(.reply) + "." + routingKey + (openedCount > 1 ? ".\(openedCount)" : "")
        do throws(TransportError) {
            let channel = try await transport.openChannel()
            do throws(TransportError) {
                try await channel.declarePrivateQueue(
                    name: name, bindings: [PrivateBinding(exchange: topology.name(.reply), routingKey: routingKey)])
                try await channel.consume(
                    queue: name, consumerTag: "replies", prefetch: 1000, from: nil, exclusive: true)
            } catch {
                await channel.close()
                throw error
            }
            return channel
        } catch {
            throw ClientError.wrapping(error, "cannot open a reply queue of hub \"\(topology.hub)\"")
        }
    }

    /// Reads one channel after the other until the client is gone.
    private func read(from first: any ConsumerChannel) async {
        var channel = first
        while !Task.isCancelled {
            do throws(TransportError) {
                var deliveries = channel.deliveries.makeAsyncIterator()
                while let batch = try await deliveries.next(isolation: nil) {
                    if let last = batch.last { channel.acknowledge(last.tag, multiple: true) }
                    take(batch)
                }
                // Ended in order: closed by us.
                break
            } catch {
                await channel.close()
                guard let next = await reopen() else { return }
                channel = next
                await askAgain()
            }
        }
        await channel.close()
    }

    private func take(_ deliveries: [Delivery]) {
        for delivery in deliveries {
            // What cannot be read belongs to no question we know; it is asked again after silence.
            guard let reply = try? Reply(wire: delivery.body), slots[reply.correlationID] != nil else { continue }
            slots[reply.correlationID]?.reply = reply
            wake(reply.correlationID)
        }
    }

    private func reopen() async -> (any ConsumerChannel)? {
        var attempt = 0
        while !isClosed && !Task.isCancelled {
            let task = Task { try await self.openChannel() }
            opening = task
            if let channel = try? await task.value { return channel }
            attempt += 1
            await clock.sleep(for: ClientOptions().backoff(before: attempt))
        }
        return nil
    }

    private func askAgain() async {
        let questions = slots.values.compactMap { $0.reply == nil ? $0.question : nil }
        if !questions.isEmpty { _ = try? await transport.publish(questions) }
    }
}
