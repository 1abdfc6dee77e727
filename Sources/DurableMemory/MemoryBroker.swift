package import DurableBackend
internal import DurableCore
internal import OrderedCollections

/// A message broker in memory, with the semantics of RabbitMQ as far as dtq uses it. Deterministic: same calls in the
/// same order, same deliveries. Any number of transports connect to it; each counts as one client process.
package final class MemoryBroker: Sendable {
    private struct Guarded {
        var state: BrokerState
        var faults: FaultPlan
        /// Publishers that wait until the broker takes messages again, in order of arrival.
        var blocked: [BlockedPublisher] = []
        var lastWaiterID: UInt64 = 0
        /// Wakes when the next message expires.
        var alarm: (due: Timestamp, task: Task<Void, Never>)?
    }

    private struct BlockedPublisher {
        var id: UInt64
        var connection: MemoryConnectionState
        var generation: Int
        var continuation: UnsafeContinuation<Void, Never>

        func mustWait(in state: BrokerState) -> Bool {
            state.isBlockingPublishers && state.isRunning && connection.status == .open
                && connection.generation == generation
        }
    }

    private let clock: any EngineClock
    private let guarded: PlatformLock<Guarded>

    /// - Parameter clock: Decides when messages expire.
    package init(clock: any EngineClock = SystemClock(), faults: FaultPlan = .none) {
        self.clock = clock
        guarded = PlatformLock(Guarded(state: BrokerState(now: clock.now()), faults: faults))
    }

    deinit {
        guarded.withLock { $0.alarm?.task.cancel() }
    }

    /// A new client. `name` tells fault plans and `cut` who it is; two clients may share one.
    package func connect(as name: String = "client") -> MemoryTransport {
        let number = access { state in
            state.connections.append(MemoryConnectionState(name: name))
            return state.connections.count - 1
        }
        return MemoryTransport(broker: self, connection: number)
    }

    // MARK: Faults

    package func setFaults(_ faults: FaultPlan) { guarded.withLock { $0.faults = faults } }

    /// Calls of all transports so far.
    package var callCount: Int { guarded.withLock { $0.state.callCount } }

    /// Ends the connections of every transport of that name: channels and unanswered publishes end with
    /// `.connectionLost`. What they do next connects again.
    package func cut(_ name: String) {
        access { state in
            for connection in state.connections where connection.name == name {
                state.lose(connection, "the connection was cut")
            }
        }
    }

    /// As `cut`, but for good: the process behind that name is gone, whatever it still tries fails.
    package func kill(_ name: String) {
        access { state in
            for connection in state.connections where connection.name == name && connection.status == .open {
                connection.status = .killed
                state.lose(connection, "the client was killed")
            }
        }
    }

    /// Takes no publishes until `unblockPublishers()`: they wait, everything else goes on.
    package func blockPublishers() { access { $0.isBlockingPublishers = true } }

    package func unblockPublishers() { access { $0.isBlockingPublishers = false } }

    /// Ends all connections and drops what is not persistent; until `start()` nobody can connect.
    package func stop() { access { $0.stop() } }

    package func start() { access { $0.isRunning = true } }

    // MARK: What tests look at

    /// Messages ready for delivery, first one first; of a stream all. They stay where they are.
    package func readyMessages(in queue: String) -> [Delivery] {
        access { state in
            guard let queue = state.queues[queue] else { return [] }
            let kind = queue.description.kind
            return (kind == .stream ? queue.log : Array(queue.ready)).map {
                $0.delivery(tag: 0, consumerTag: "", kind: kind)
            }
        }
    }

    /// Deliveries consumers hold and have not settled.
    package func unacknowledgedCount(in queue: String) -> Int {
        access { $0.queues[queue]?.unacknowledgedCount ?? 0 }
    }

    // MARK: For transports and channels

    /// One step of the broker: `body`, then the deliveries it makes possible.
    func access<Result, Failure: Error>(
        _ body: (inout BrokerState) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let now = clock.now()
        return try guarded.withLock { guarded throws(Failure) in
            if now > guarded.state.now {
                // What has expired meanwhile is gone before the step looks at anything.
                guarded.state.now = now
                guarded.state.settle()
            }
            defer {
                guarded.state.settle()
                releasePublishers(&guarded)
                setAlarm(&guarded)
            }
            return try body(&guarded.state)
        }
    }

    /// The fault this call meets.
    func fault(_ call: FaultPlan.Call, from connection: Int) -> FaultPlan.Fault {
        let (plan, point) = guarded.withLock { guarded in
            guarded.state.callCount += 1
            return (
                guarded.faults,
                FaultPlan.Point(
                    number: guarded.state.callCount, transport: guarded.state.connections[connection].name, call: call)
            )
        }
        return plan.decide(point)
    }

    func sleep(for duration: Duration) async { await clock.sleep(for: duration) }

    /// Waits while publishers are blocked; returns also when the connection ends or the task is cancelled.
    func waitUntilUnblocked(_ connection: Int, began generation: Int) async {
        let id = guarded.withLock { guarded in
            guarded.lastWaiterID += 1
            return guarded.lastWaiterID
        }
        await withTaskCancellationHandler {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                let mustWait = guarded.withLock { guarded in
                    let waiter = BlockedPublisher(
                        id: id, connection: guarded.state.connections[connection], generation: generation,
                        continuation: continuation)
                    guard waiter.mustWait(in: guarded.state), !Task.isCancelled else { return false }
                    guarded.blocked.append(waiter)
                    return true
                }
                if !mustWait { continuation.resume() }
            }
        } onCancel: {
            let waiter = guarded.withLock { guarded in
                guarded.blocked.firstIndex { $0.id == id }.map { guarded.blocked.remove(at: $0).continuation }
            }
            waiter?.resume()
        }
    }

    private func releasePublishers(_ guarded: inout Guarded) {
        if guarded.blocked.isEmpty { return }
        let state = guarded.state
        for waiter in guarded.blocked where !waiter.mustWait(in: state) { waiter.continuation.resume() }
        guarded.blocked.removeAll { !$0.mustWait(in: state) }
    }

    private func setAlarm(_ guarded: inout Guarded) {
        let due = guarded.state.nextExpiry
        if due == guarded.alarm?.due { return }
        guarded.alarm?.task.cancel()
        guarded.alarm = nil
        guard let due else { return }
        let wait = due.since(guarded.state.now)
        let task = Task { [weak self, clock] in
            await clock.sleep(for: wait)
            if !Task.isCancelled { self?.access { _ in } }
        }
        guarded.alarm = (due, task)
    }
}
