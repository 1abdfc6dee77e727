package import DurableBackend
package import DurableCore
import DurableWire
package import Logging

/// This worker among the others: says what it does, at intervals and at every change, and hears what they do.
package actor FleetMember {
    private let worker: WorkerID
    private let transport: any MessageTransport
    private let topology: HubTopology
    private let clock: any EngineClock
    private let logger: Logger
    private let interval: Duration
    private let describe: @Sendable () async -> WorkerHeartbeat
    private let onDrain: @Sendable (Duration?) -> Void
    private let onCancellation: @Sendable ([TaskKey]) async -> Void
    private let onTick: @Sendable () -> Void
    private let changed = Signal()
    private var others: [WorkerID: HeardHeartbeat] = [:]  // sorted before use
    private var heardCount = 0
    /// What this worker said last: it hears that too.
    private var lastSaid: [UInt8] = []
    private var isStopped = false

    /// - Parameters:
    ///   - describe: Gives this worker's heartbeat as of now.
    ///   - interval: Between heartbeats at the latest.
    ///   - onDrain: Called when somebody asks this worker to stop in order, with the grace period asked for.
    ///   - onCancellation: Called with activities, wherever they are, whose results nobody waits for any more, as
    ///     somebody says.
    ///   - onTick: Called at every interval, whatever the rest of the worker does.
    package init(
        worker: WorkerID, transport: any MessageTransport, topology: HubTopology, clock: any EngineClock,
        interval: Duration, logger: Logger, describe: @escaping @Sendable () async -> WorkerHeartbeat,
        onDrain: @escaping @Sendable (Duration?) -> Void,
        onCancellation: @escaping @Sendable ([TaskKey]) async -> Void, onTick: @escaping @Sendable () -> Void
    ) {
        self.worker = worker
        self.transport = transport
        self.topology = topology
        self.clock = clock
        self.interval = interval
        self.logger = logger
        self.describe = describe
        self.onDrain = onDrain
        self.onCancellation = onCancellation
        self.onTick = onTick
    }

    /// The other workers that are alive, as far as is known, in order of their IDs.
    package var living: [HeardHeartbeat] {
        let now = clock.uptime()
        return others.values
            .filter { $0.heartbeat.state != .stopped && now - $0.heardAt < $0.heartbeat.patience }
            .sorted { $0.heartbeat.worker < $1.heartbeat.worker }
    }

    /// Announces the present state soon.
    package nonisolated func announce() { changed.raise() }

    /// Listens and announces until the task is cancelled.
    ///
    /// - Parameter onView: Called when the view of the fleet may have changed, and at every interval.
    package func run(onView: @escaping @Sendable () async -> Void) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.listen(onView: onView) }
            group.addTask { await self.tick() }
            var isHello = true
            while !Task.isCancelled {
                await send(isHello: isHello)
                isHello = false
                await onView()
                await changed.wait()
                // What changes at about the same time makes one heartbeat.
                await clock.sleep(for: .milliseconds(20))
                changed.clear()
            }
            group.cancelAll()
        }
    }

    /// Tells the others that this worker is gone.
    package func leave() async {
        isStopped = true
        await send(isHello: false)
    }

    private func tick() async {
        while !Task.isCancelled {
            await clock.sleep(for: interval)
            onTick()
            changed.raise()
        }
    }

    private func send(isHello: Bool) async {
        var heartbeat = await describe()
        heartbeat.isHello = isHello
        if isStopped { heartbeat.state = .stopped }
        do {
            let message = topology.heartbeat(heartbeat, at: clock.now())
            lastSaid = message.body
            _ = try await transport.publish([message])
        } catch {
            logger.debug("heartbeat not sent", metadata: ["cause": "\(error)"])
        }
    }

    private func listen(onView: @Sendable () async -> Void) async {
        while !Task.isCancelled {
            do {
                let channel = try await transport.openChannel()
                let queue = "\(topology.name(.fleet)).\(worker)"
                try await channel.declarePrivateQueue(
                    name: queue, bindings: [PrivateBinding(exchange: topology.name(.fleet), routingKey: "")])
                try await channel.consume(
                    queue: queue, consumerTag: "fleet", prefetch: 256, from: nil, exclusive: true)
                changed.raise()
                for try await batch in channel.deliveries {
                    guard let last = batch.last else { continue }
                    channel.acknowledge(last.tag, multiple: true)
                    if hear(batch) { await onView() }
                    let cancellations = batch.filter { $0.properties.type == "TaskCancellation" }
                    for cancellation in cancellations { await hearCancellation(cancellation) }
                }
                await channel.close()
            } catch {
                logger.debug("lost the fleet's channel", metadata: ["cause": "\(error)"])
                await clock.sleep(for: .milliseconds(500))
            }
        }
    }

    /// - Returns: Whether workers came, went or changed what they own or stand by for.
    private func hear(_ deliveries: [Delivery]) -> Bool {
        var isNews = false
        let now = clock.uptime()
        others = others.filter { now - $0.value.heardAt < $0.value.heartbeat.patience }
        for delivery in deliveries {
            if delivery.properties.type == "FleetHello" {
                changed.raise()
                continue
            }
            if delivery.properties.type == "TaskCancellation" { continue }
            if delivery.properties.type == "DrainRequest" {
                hearDrain(delivery)
                continue
            }
            if delivery.body == lastSaid { continue }
            guard let heartbeat = try? WorkerHeartbeat(wire: delivery.body), heartbeat.worker != worker else {
                continue
            }
            let before = others[heartbeat.worker]?.heartbeat
            if before?.state != heartbeat.state
                || before?.partitions.map(\.partition) != heartbeat.partitions.map(\.partition)
                || before?.standBy != heartbeat.standBy || before?.codes != heartbeat.codes
            {
                isNews = true
            }
            if heartbeat.state == .stopped {
                others[heartbeat.worker] = nil
            } else {
                heardCount += 1
                others[heartbeat.worker] = HeardHeartbeat(heartbeat, at: now, number: heardCount)
            }
            if heartbeat.isHello { changed.raise() }
        }
        return isNews
    }

    private func hearCancellation(_ delivery: Delivery) async {
        do throws(WireError) {
            await onCancellation(try TaskCancellation(wire: delivery.body).tasks)
        } catch {
            logger.warning("word of activities to cancel cannot be read", metadata: ["cause": "\(error)"])
        }
    }

    private func hearDrain(_ delivery: Delivery) {
        do throws(WireError) {
            let request = try DrainRequest(wire: delivery.body)
            if request.workers.contains(worker) { onDrain(request.grace) }
        } catch {
            logger.warning("a request to drain cannot be read", metadata: ["cause": "\(error)"])
        }
    }
}

extension WorkerHeartbeat {
    /// Silence after which a worker counts as gone.
    package var patience: Duration { .milliseconds(intervalMilliseconds * 3) }
}

/// What a worker said last.
package struct HeardHeartbeat: Sendable {
    package var heartbeat: WorkerHeartbeat
    /// By the clock's uptime.
    package var heardAt: Duration
    /// Of all that was heard, from 1: what is heard in one instant has an order too.
    package var number: Int

    package init(_ heartbeat: WorkerHeartbeat, at heardAt: Duration, number: Int) {
        self.heartbeat = heartbeat
        self.heardAt = heardAt
        self.number = number
    }
}
