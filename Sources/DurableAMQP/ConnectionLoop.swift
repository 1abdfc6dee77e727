internal import CRabbitMQ
internal import DurableBackend
internal import Logging

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The life of one connection, on its own thread: take commands, connect if needed, write, wait in poll(), read.
///
/// Nothing here is shared: other threads reach it through `AMQPConnection.post` only.
final class ConnectionLoop {
    typealias Clock = ContinuousClock

    enum Link {
        /// Connects when something waits for it. Becomes `up`.
        case down
        /// Becomes `down` when lost.
        case up(AMQPSocket)
    }

    struct WaitingOpen {
        var deliveries: DeliverySequence?
        var waiter: Waiter<ChannelID>
        var deadline: Clock.Instant
    }

    let owner: AMQPConnection
    let wakeDescriptor: Int32
    var configuration: AMQPConfiguration { owner.configuration }
    var logger: Logger { owner.logger }

    var link = Link.down
    var writer = FrameWriter()
    var channels: [ChannelID: LoopChannel] = [:]
    var channelNumbers: [UInt16: LoopChannel] = [:]
    var lastNumber: UInt16 = 0
    var lastID: UInt64 = 0
    /// Channels with deliveries of this round.
    var touched: [LoopChannel] = []
    var waitingOpens: [WaitingOpen] = []

    var waitingBatches: [PublishBatch] = []
    var publishing: PublishChannel?
    var confirmPatience: ConfirmPatience
    /// The broker asked us not to publish, for this reason.
    var blockedReason: String?
    var unblockedAt = Clock.now

    var lastHeard = Clock.now
    var lastSent = Clock.now
    var hasMoreToRead = false
    var isSocketFull = false

    var attempts = 0
    var nextAttempt = Clock.now
    var lastFailure = "no attempt was made yet"
    /// Why the last connection ended, for calls on its channels.
    var lastLoss = "the connection is gone"
    var hasWarned = false

    /// Set while an orderly end is under way: when to stop waiting for the broker's part of it.
    var closingDeadline: Clock.Instant?
    var isFinished = false

    init(_ owner: AMQPConnection, wakeDescriptor: Int32) {
        self.owner = owner
        self.wakeDescriptor = wakeDescriptor
        confirmPatience = ConfirmPatience(atLeast: owner.configuration.confirmPatience)
    }

    func run() {
        while !isFinished {
            for command in owner.takeCommands() { take(command) }
            connectIfNeeded()
            do throws(TransportError) {
                openWaiting()
                pumpPublishes()
                heartbeatIfDue()
                try flush()
                try wait()
                try checkSilence()
                checkConfirms()
            } catch {
                lose(error)
            }
            endIfDue()
        }
        link = .down
    }

    // MARK: Commands

    private func take(_ command: ConnectionCommand) {
        guard closingDeadline == nil else { return command.refuse(.closed) }
        switch command {
        case .publish(let batch): waitingBatches.append(batch)
        case .withdraw(let batch):
            waitingBatches.removeAll { $0 === batch }
        case .open(let deliveries, let waiter, let deadline):
            waitingOpens.append(WaitingOpen(deliveries: deliveries, waiter: waiter, deadline: deadline))
        case .call(let id, let methods, let waiter):
            guard let channel = channels[id] else { return command.refuse(.connectionLost(lastLoss)) }
            for (index, method) in methods.enumerated() {
                let isLast = index == methods.count - 1
                send(method, on: channel) { reply in
                    if case .failure = reply { waiter.resolve(reply) } else if isLast { waiter.resolve(reply) }
                }
            }
        case .send(let id, let method):
            if let channel = channels[id] { writer.write(method, channel: channel.number) }
        case .closeChannel(let id, let waiter):
            guard let channel = channels[id] else { return command.refuse(.connectionLost(lastLoss)) }
            close(channel, endingWith: nil) { waiter?.resolve($0) }
        case .shutDown: beginShutDown()
        }
    }

    /// Sends a method that is answered.
    func send(
        _ method: ClientMethod, on channel: LoopChannel,
        _ finish: @escaping (Result<ServerReply, TransportError>) -> Void
    ) {
        channel.expect(method, finish)
        writer.write(method, channel: channel.number)
    }

    // MARK: Writing and waiting

    /// Offers the kernel what is pending. Never waits: what it does not take goes when poll() says so.
    func flush() throws(TransportError) {
        guard case .up(let socket) = link, !writer.isEmpty else { return }
        let before = writer.pendingByteCount
        try writer.drain { (bytes) throws(TransportError) in try socket.send(bytes) }
        if writer.pendingByteCount < before { lastSent = Clock.now }
        isSocketFull = !writer.isEmpty
    }

    /// Waits until the socket, a command or a deadline asks for attention, then reads what has come.
    private func wait() throws(TransportError) {
        let mayWait = !hasMoreToRead && owner.fallAsleep()
        var files = [pollfd(fd: wakeDescriptor, events: Int16(POLLIN), revents: 0)]
        if case .up(let socket) = link {
            let events = isSocketFull ? POLLIN | POLLOUT : POLLIN
            files.append(pollfd(fd: socket.descriptor, events: Int16(events), revents: 0))
        }
        let count = poll(&files, nfds_t(files.count), mayWait ? pollTimeout() : 0)
        owner.wakeUp()
        if count > 0, files[0].revents != 0 { dtq_wake_clear(wakeDescriptor) }
        // A process that was frozen finds what the broker sent before it gave the connection up: others have that by
        // now.
        try checkSilence()
        let hasArrived = files.count > 1 && files[1].revents & ~Int16(POLLOUT) != 0
        if hasArrived { lastHeard = Clock.now }
        if hasArrived || hasMoreToRead { try readFrames() }
    }

    /// Milliseconds to the next thing to do, rounded up; -1 for none.
    private func pollTimeout() -> Int32 {
        var next: Clock.Instant?
        func consider(_ time: Clock.Instant) { next = min(next ?? time, time) }
        if let closingDeadline { consider(closingDeadline) }
        if case .up(let socket) = link, socket.heartbeatSeconds > 0 {
            consider(lastSent + .milliseconds(500 * socket.heartbeatSeconds))
            consider(lastHeard + .seconds(2 * socket.heartbeatSeconds))
        }
        if let confirmDeadline { consider(confirmDeadline) }
        if case .down = link, hasDemand {
            consider(nextAttempt)
            for open in waitingOpens { consider(open.deadline) }
            for batch in waitingBatches { consider(batch.deadline) }
        }
        guard let next else { return -1 }
        let (seconds, attoseconds) = (next - Clock.now).components
        if seconds < 0 || attoseconds < 0 { return 0 }
        return Int32(clamping: seconds * 1000 + attoseconds / 1_000_000_000_000_000 + 1)
    }

    // MARK: Heartbeats

    /// A frame every half interval when nothing else is written; pending bytes do as well once they move.
    private func heartbeatIfDue() {
        guard case .up(let socket) = link, socket.heartbeatSeconds > 0, writer.isEmpty,
            Clock.now - lastSent >= .milliseconds(500 * socket.heartbeatSeconds)
        else { return }
        writer.heartbeat()
    }

    private func checkSilence() throws(TransportError) {
        guard case .up(let socket) = link, socket.heartbeatSeconds > 0,
            Clock.now - lastHeard >= .seconds(2 * socket.heartbeatSeconds)
        else { return }
        throw .connectionLost("the broker was silent for two heartbeats (\(2 * socket.heartbeatSeconds) s)")
    }

    // MARK: Shutting down

    private func beginShutDown() {
        closingDeadline = Clock.now + .seconds(2)
        for open in waitingOpens { open.waiter.resolve(.failure(.closed)) }
        waitingOpens = []
        failPublishes(.closed)
        channels = [:]
        publishing = nil
        // The channels' numbers stay known: answers still come for them until the broker has closed.
        for channel in channelNumbers.values {
            channel.end(nil)
            channel.phase = .closing
        }
        if case .up = link {
            writer.write(.connectionClose(code: 200, text: "closed by dtq"), channel: 0)
        } else {
            isFinished = true
        }
    }

    private func endIfDue() {
        guard let closingDeadline else { return }
        if case .down = link { isFinished = true }
        if Clock.now >= closingDeadline { isFinished = true }
    }
}
