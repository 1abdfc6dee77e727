package import DurableBackend
import DurableCore
package import Logging

/// Publishes items in order, one publish under way at a time, everything that waits in the next one.
///
/// A reliable lane keeps each item until the broker confirms it: lost connections are tried again at once they are
/// back, returned and refused messages with growing pauses. The other kind tries once.
package final class PublishLane<Key: Hashable & Sendable>: Sendable {
    package struct Item: Sendable {
        package var key: Key
        package var message: OutgoingMessage
        package init(key: Key, message: OutgoingMessage) {
            self.key = key
            self.message = message
        }
    }

    private struct State {
        var waiting: [Item] = []
        /// Returned or refused; tried again after a pause.
        var parked: [Item] = []
        var underWay = 0
        /// Not to be tried again if what is under way fails.
        var withdrawn: Set<Key> = []
    }

    private let transport: any MessageTransport
    private let clock: any EngineClock
    private let logger: Logger
    private let isReliable: Bool
    private let state = PlatformLock(State())
    private let signal = Signal()

    private static var itemsPerPublish: Int { 1024 }
    private static var unreliableLimit: Int { 16 * 1024 }

    package init(transport: any MessageTransport, clock: any EngineClock, isReliable: Bool, logger: Logger) {
        self.transport = transport
        self.clock = clock
        self.isReliable = isReliable
        self.logger = logger
    }

    package func submit(_ items: [Item]) {
        guard !items.isEmpty else { return }
        state.withLock { state in
            state.waiting += items
            // Replies nobody can take while the broker blocks publishers must not pile up: clients ask again.
            if !isReliable, state.waiting.count > Self.unreliableLimit {
                state.waiting.removeFirst(state.waiting.count - Self.unreliableLimit)
            }
        }
        signal.raise()
    }

    /// Gives up items that need not be sent any more; those under way may arrive all the same.
    package func withdraw(_ keys: [Key]) {
        if keys.isEmpty { return }
        state.withLock { state in
            if state.underWay > 0 { state.withdrawn.formUnion(keys) }
            if state.waiting.isEmpty && state.parked.isEmpty { return }
            let keys = Set(keys)
            state.waiting.removeAll { keys.contains($0.key) }
            state.parked.removeAll { keys.contains($0.key) }
        }
    }

    /// Raised when nothing is under way any more.
    package let settled = Signal()

    /// Items not confirmed yet, parked ones included.
    package var pendingCount: Int { state.withLock { $0.waiting.count + $0.parked.count + $0.underWay } }
    /// Items the broker returned or refused, waiting for another try.
    package var parkedCount: Int { state.withLock { $0.parked.count } }

    /// Publishes until the task is cancelled or the transport is closed.
    ///
    /// - Parameter onConfirmed: Called with the keys the broker confirmed, in order.
    package func run(onConfirmed: @escaping @Sendable ([Key]) async -> Void) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.retryParked() }
            var pause = Duration.milliseconds(100)
            while !Task.isCancelled {
                let items = take()
                if items.isEmpty {
                    await signal.wait()
                    continue
                }
                do throws(TransportError) {
                    let outcomes = try await transport.publish(items.map(\.message))
                    pause = .milliseconds(100)
                    let confirmed = settle(items, outcomes)
                    if !confirmed.isEmpty { await onConfirmed(confirmed) }
                    // Only now: who waits for the lane to be empty relies on what `onConfirmed` did.
                    state.withLock { state in
                        state.underWay = 0
                        state.withdrawn = []
                    }
                    settled.raise()
                } catch {
                    if error == .closed || error == .cancelled {
                        giveBack(items)
                        break
                    }
                    giveBack(isReliable ? items : [])
                    logger.debug(
                        "publishing \(items.count) messages failed, trying again", metadata: ["cause": "\(error)"])
                    await clock.sleep(for: pause)
                    pause = min(pause * 2, .seconds(5))
                }
            }
            group.cancelAll()
        }
    }

    private func take() -> [Item] {
        state.withLock { state in
            let items = Array(state.waiting.prefix(Self.itemsPerPublish))
            state.waiting.removeFirst(items.count)
            state.underWay = items.count
            return items
        }
    }

    private func giveBack(_ items: [Item]) {
        state.withLock { state in
            state.waiting.insert(contentsOf: items.filter { !state.withdrawn.contains($0.key) }, at: 0)
            state.underWay = 0
            state.withdrawn = []
        }
    }

    private func settle(_ items: [Item], _ outcomes: [PublishOutcome]) -> [Key] {
        var confirmed: [Key] = []
        var unroutable: [Item] = []
        var refused: [Item] = []
        var unsendable: [(item: Item, text: String)] = []
        for (item, outcome) in zip(items, outcomes) {
            switch outcome {
            case .confirmed: confirmed.append(item.key)
            case .returned: unroutable.append(item)
            case .rejected: refused.append(item)
            case .unsendable(let text): unsendable.append((item, text))
            }
        }
        if !isReliable { return confirmed }
        for destination in Self.destinations(of: unroutable) {
            logger.warning(
                """
                DTQ2006 no queue takes messages for \(destination): they are kept and sent again until one does. \
                Start a worker that registers that activity. See ops/errors/DTQ2006.md
                """)
        }
        for destination in Self.destinations(of: refused) {
            logger.info("the broker refused messages for \(destination): they are kept and sent again")
        }
        if let (item, text) = unsendable.first {
            let (id, instance) = (item.message.properties.messageID, item.message.properties.correlationID)
            logger.warning(
                """
                DTQ2009 AMQP cannot carry \(unsendable.count) messages, the first is \(id ?? "without ID") of instance \
                \(instance ?? "unknown"): \(text). They are kept, their instances wait for them, others go on. \
                Terminate these instances and correct their code. See ops/errors/DTQ2009.md
                """)
        }
        state.withLock { state in
            state.parked += (unroutable + refused + unsendable.map(\.item)).filter {
                !state.withdrawn.contains($0.key)
            }
        }
        return confirmed
    }

    private static func destinations(of items: [Item]) -> [String] {
        Set(items.map { "\($0.message.exchange) \($0.message.routingKey)" }).sorted()
    }

    private func retryParked() async {
        var pause = Duration.seconds(1)
        while !Task.isCancelled {
            await clock.sleep(for: pause)
            let count = state.withLock { state in
                defer { state.parked = [] }
                state.waiting += state.parked
                return state.parked.count
            }
            pause = count == 0 ? .seconds(1) : min(pause * 2, .seconds(15))
            if count > 0 { signal.raise() }
        }
    }
}
