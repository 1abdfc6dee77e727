import DurableBackend
import DurableClient
import DurableCore
import DurableEngine
import DurableTask
import DurableWire
import Logging

/// Runs activities: takes tasks from their work queues, runs as many at a time as there are slots, publishes each
/// completion, and acknowledges the task once the broker holds the completion.
actor ActivityHost {
    struct Parts: Sendable {
        var topology: HubTopology
        var registry: Registry
        var transport: any MessageTransport
        var clock: any EngineClock
        var slots: Int
        var payloadLimit: Int
        /// Between two words of how far activities have come.
        var heartbeatInterval: Duration
        var client: HubClient
        var payloads: any PayloadAccess
        var defect: EngineDefect?
    }

    /// What is acknowledged when a publish is confirmed.
    fileprivate struct Settled: Hashable, Sendable {
        var number: Int
        var channel: any ConsumerChannel
        var tag: DeliveryTag
        var activity: String

        static func == (left: Self, right: Self) -> Bool { left.number == right.number }
        func hash(into hasher: inout Hasher) { hasher.combine(number) }
    }

    struct Run {
        var key: TaskKey
        var heartbeat: RunHeartbeat
        var task: Task<Void, Never>
        fileprivate var settled: Settled
        /// Somebody said that nobody waits for its result any more; its owner is still to be asked.
        var isDoubted = false
        /// Its owner said so.
        var isCancelled = false
    }

    let parts: Parts
    let logger: Logger
    private let lane: PublishLane<Settled>
    private let freeSlots: SlotPool
    private let changed = Signal()
    /// Raised when owners are to be asked at once.
    let doubtRaised = Signal()
    private let backingOff: Pause

    private(set) var running: [Int: Run] = [:]  // by number, in order of start when sorted
    private var nextRun = 0
    private var doubted = DoubtedTasks()
    private var inFlight: [String: Int] = [:]
    private var channels: [String: any ConsumerChannel] = [:]
    private var isStopping = false
    private var hasEndedConsumers = false
    private var hasSaidLastWord = false
    /// Tasks that found no slot before the stop, until the consumers have ended.
    private var waiting: [(channel: any ConsumerChannel, tag: DeliveryTag)] = []
    private var unstarted = 0
    private(set) var runCount: UInt64 = 0

    init(_ parts: Parts, logger: Logger) {
        self.parts = parts
        self.logger = logger
        freeSlots = SlotPool(count: parts.slots)
        backingOff = Pause(clock: parts.clock)
        lane = PublishLane(transport: parts.transport, clock: parts.clock, isReliable: true, logger: logger)
    }

    /// Activities by name with the runs under way, in order of name.
    var activities: [WorkerHeartbeat.Activity] {
        parts.registry.activityNames.map { .init(name: $0, inFlight: inFlight[$0] ?? 0) }
    }

    /// Runs until `stop`. The work queues must exist.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            for name in parts.registry.activityNames {
                guard let activity = parts.registry.activity(named: name) else { continue }
                group.addTask { await self.consume(activity) }
            }
            let publishing = Task { await lane.run { settled in await self.settle(settled) } }
            let beating = Task { await self.beat() }
            await group.waitForAll()
            publishing.cancel()
            beating.cancel()
        }
    }

    /// Starts nothing new, lets what runs finish for up to `grace`, cancels the rest, and gives back what is left.
    ///
    /// Each run is decided once: completed (its completion is published and confirmed, its task acknowledged) or
    /// abandoned (nothing of it is ever published; the broker gives its task to somebody else). Channels close after
    /// the last decision.
    func stop(grace: Duration) async -> WorkerReceipt {
        var receipt = WorkerReceipt()
        isStopping = true
        freeSlots.close()
        backingOff.end()
        let atStop = running.count
        let deadline = parts.clock.uptime() + grace
        await endConsumers()
        await wait(until: deadline) { $0.running.isEmpty }
        if !running.isEmpty { await sayLastWord() }
        receipt.finishedActivities = atStop - running.count
        receipt.canceledActivities = running.count
        abandonRunning()
        // What is decided as completed is carried through: its task would run again if the channel closed before.
        await wait(until: parts.clock.uptime() + Self.confirmPatience) { $0.inFlight.values.allSatisfy { $0 == 0 } }
        receipt.returnedDeliveries = unstarted
        for channel in channels.sorted(by: { $0.key < $1.key }).map(\.value) { await channel.close() }
        return receipt
    }

    /// How long a stop waits for confirms of completions.
    private static var confirmPatience: Duration { .seconds(10) }

    /// How long a stop waits for owners to take what runs say last.
    private static var lastWordPatience: Duration { .seconds(2) }

    /// Owners that do not answer in time may have taken it all the same.
    private func sayLastWord() async {
        let deadline = parts.clock.uptime() + Self.lastWordPatience
        let saying = Task {
            await sendHeartbeats()
            hasSaidLastWord = true
            changed.raise()
        }
        await wait(until: deadline) { $0.hasSaidLastWord }
        saying.cancel()
    }

    /// Takes no more tasks, and returns those that wait for a slot.
    private func endConsumers() async {
        for channel in channels.sorted(by: { $0.key < $1.key }).map(\.value) {
            // One that is lost has no consumer any more.
            try? await channel.cancel(consumerTag: Self.consumerTag)
        }
        hasEndedConsumers = true
        for (channel, tag) in waiting { channel.reject(tag, requeue: true) }
        waiting = []
    }

    /// From here on nothing of what still runs is published; its tasks go to other workers at once.
    private func abandonRunning() {
        let cutOff = running.sorted { $0.key < $1.key }.map(\.value)
        running = [:]
        for run in cutOff {
            inFlight[run.settled.activity, default: 1] -= 1
            run.settled.channel.reject(run.settled.tag, requeue: true)
            run.task.cancel()
        }
    }

    private func giveBack(_ delivery: Delivery, on channel: any ConsumerChannel) {
        unstarted += 1
        if parts.defect == .drainDropsTasks {
            channel.acknowledge(delivery.tag, multiple: false)
        } else if hasEndedConsumers {
            channel.reject(delivery.tag, requeue: true)
        } else {
            // It would come straight back while the consumer lives.
            waiting.append((channel, delivery.tag))
        }
    }

    private func wait(until deadline: Duration, for condition: (isolated ActivityHost) -> Bool) async {
        while !condition(self), parts.clock.uptime() < deadline, !Task.isCancelled {
            let clock = parts.clock
            let changed = changed
            let alarm = Task {
                await clock.sleep(for: min(deadline - clock.uptime(), .milliseconds(500)))
                // One that was called off must not wake the next wait: that would never end.
                if !Task.isCancelled { changed.raise() }
            }
            await changed.wait()
            alarm.cancel()
        }
    }

    // MARK: - Taking tasks

    private static var consumerTag: String { "work" }

    private func consume(_ activity: AnyActivity) async {
        var pause = Duration.milliseconds(100)
        while !isStopping, !Task.isCancelled {
            do {
                let channel = try await parts.transport.openChannel()
                if isStopping { return await channel.close() }
                channels[activity.name] = channel
                // Again each time: the channel may have ended because the queue was deleted.
                try await parts.transport.declare(parts.topology.work(activities: [activity.name]))
                try await channel.consume(
                    queue: parts.topology.workQueue(activity.name), consumerTag: Self.consumerTag,
                    prefetch: parts.slots, from: nil, exclusive: false)
                // A stop in between has ended the consumers there were; on this channel nothing runs.
                if isStopping { return await channel.close() }
                pause = .milliseconds(100)
                for try await batch in channel.deliveries {
                    for delivery in batch { await start(delivery, of: activity, on: channel) }
                }
            } catch {
                if isStopping { return }
                logger.info(
                    "lost the channel of activity \(activity.name), trying again", metadata: ["cause": "\(error)"])
                await backingOff.sleep(for: pause)
                pause = min(pause * 2, .seconds(10))
            }
        }
    }

    private func start(_ delivery: Delivery, of activity: AnyActivity, on channel: any ConsumerChannel) async {
        guard await freeSlots.take(), !isStopping else {
            return giveBack(delivery, on: channel)
        }
        let number = nextRun
        nextRun += 1
        let settled = Settled(number: number, channel: channel, tag: delivery.tag, activity: activity.name)
        let task: TaskMessage
        do {
            task = try TaskMessage(wire: delivery.body)
        } catch {
            freeSlots.give()
            setAside(delivery, settled, reason: "cannot be decoded: \(error)")
            return
        }
        if parts.defect == .acknowledgesTasksAtOnce { channel.acknowledge(delivery.tag, multiple: false) }
        runCount += 1
        inFlight[activity.name, default: 0] += 1
        let deliveryCount = 1 + (delivery.deliveryCount ?? (delivery.isRedelivered ? 1 : 0))
        let heartbeat = RunHeartbeat()
        let logger = logger
        let mustAsk = doubted.remove(task.key) || deliveryCount > 1 || task.isRedispatch
        running[number] = Run(
            key: task.key, heartbeat: heartbeat,
            task: Task.detached {
                var details: Payload?
                if mustAsk {
                    guard case .wanted(let known) = await self.standing(of: task) else {
                        return await self.dropUnwanted(number, settled)
                    }
                    details = known
                }
                let context = ActivityContext(
                    name: activity.name, instanceID: task.instanceID, executionID: task.executionID,
                    taskID: task.taskID, attempt: 1, deliveryCount: deliveryCount, lastHeartbeat: details,
                    onHeartbeat: { heartbeat.note($0) }, logger: logger)
                guard let input = await self.input(of: task, number, deliveryCount) else { return }
                var result: Result<Payload?, FailureDetails>
                switch input {
                case .success(let input): result = await activity.run(input: input, context: context)
                case .failure(let failure): result = .failure(failure)
                }
                if case .success(let output) = result { result = await self.sealed(output, of: task) }
                await self.finish(number, task, result, settled)
            }, settled: settled)
    }

    /// Returns a task that was begun and that this worker cannot run, for another one: after a while, so that it is not
    /// delivered again and again. Its slot is free meanwhile.
    func giveBack(_ number: Int, after pause: Duration) async {
        if running[number] == nil { return }
        freeSlots.give()
        await backingOff.sleep(for: pause)
        // Cut off by `stop`, which has done so.
        guard let run = running.removeValue(forKey: number) else { return }
        if run.isCancelled { return settle([run.settled]) }
        inFlight[run.settled.activity, default: 1] -= 1
        run.settled.channel.reject(run.settled.tag, requeue: true)
        changed.raise()
    }

    // MARK: - Cancelling them

    /// Somebody says that nobody waits for these any more. That may not be true: their owners are asked about those that
    /// run here, and about the others should they come yet. Waits for nobody: who says so has more to say.
    func doubt(_ tasks: [TaskKey]) {
        let found = putInDoubt(Set(tasks))
        for key in tasks where !found.contains(key) { doubted.insert(key) }
        if !found.isEmpty { doubtRaised.raise() }
    }

    /// Has owners asked about what runs here of these.
    ///
    /// - Returns: What does.
    @discardableResult
    func putInDoubt(_ keys: Set<TaskKey>) -> Set<TaskKey> {
        var found: Set<TaskKey> = []
        for (number, run) in running where keys.contains(run.key) {
            found.insert(run.key)
            running[number]?.isDoubted = true
        }
        return found
    }

    /// Its owner is being asked.
    func dispel(_ number: Int) { running[number]?.isDoubted = false }

    /// Their owners have said that nobody waits for them.
    func cancel(_ keys: Set<TaskKey>) {
        for (number, run) in running where keys.contains(run.key) {
            running[number]?.isCancelled = true
            run.task.cancel()
        }
    }

    // MARK: - Completing them

    private func finish(
        _ number: Int, _ task: TaskMessage, _ result: Result<Payload?, FailureDetails>, _ settled: Settled
    ) {
        // Cut off by `stop`: decided already, nothing may be published.
        guard let run = running[number] else { return }
        if run.isCancelled { return dropUnwanted(number, settled) }
        running[number] = nil
        freeSlots.give()
        lane.submit([.init(key: settled, message: completion(of: task, with: result))])
        changed.raise()
    }

    /// Nobody waits for it: nothing is published, its task is done.
    private func dropUnwanted(_ number: Int, _ settled: Settled) {
        guard running.removeValue(forKey: number) != nil else { return }
        freeSlots.give()
        settle([settled])
    }

    private func completion(of task: TaskMessage, with result: Result<Payload?, FailureDetails>) -> OutgoingMessage {
        let now = parts.clock.now()
        let kind: HistoryEvent.Kind
        switch result {
        case .success(let output):
            let bytes = output?.count ?? 0
            if bytes > parts.payloadLimit {
                let failure = OperatorText.payloadTooLarge(
                    bytes, limit: parts.payloadLimit, what: "the result of activity \"\(task.name)\"")
                kind = .taskFailed(taskID: task.taskID, failure: failure)
            } else {
                kind = .taskCompleted(taskID: task.taskID, result: output)
            }
        case .failure(let failure):
            kind = .taskFailed(taskID: task.taskID, failure: failure)
        }
        let message = Message(
            id: MessageID(task.messageID), instanceID: task.instanceID, executionID: task.executionID,
            dispatch: task.dispatch, event: HistoryEvent(timestamp: now, kind: kind))
        return parts.topology.controlMessage(
            [message], to: task.instanceID.partition(of: parts.topology.partitionCount), through: .control, at: now)
    }

    private func setAside(_ delivery: Delivery, _ settled: Settled, reason: String) {
        let queue = parts.topology.workQueue(settled.activity)
        logger.warning(
            """
            DTQ3001 task \(delivery.properties.messageID ?? "without ID") on \(queue): \(reason). Moved to \
            \(parts.topology.name(.dead)); look at it with dtq dead list. See ops/errors/DTQ3001.md
            """)
        inFlight[settled.activity, default: 0] += 1
        lane.submit([
            .init(
                key: settled,
                message: parts.topology.deadLetter(delivery, from: queue, code: "DTQ3001", reason: reason))
        ])
    }

    private func settle(_ settled: [Settled]) {
        for item in settled {
            if parts.defect != .acknowledgesTasksAtOnce {
                item.channel.acknowledge(item.tag, multiple: false)
            }
            inFlight[item.activity, default: 1] -= 1
        }
        changed.raise()
    }
}
