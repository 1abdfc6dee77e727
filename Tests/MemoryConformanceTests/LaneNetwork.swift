import DurableBackend
import DurableCore
import DurableMemory

/// A network on which every lane is a task of its own: steps arrive some time later, in order on each lane only.
final class LaneNetwork: BrokerNetwork {
    private struct Key: Hashable {
        var client: String
        var isToBroker: Bool
        var lane: NetworkLane
    }

    private let direct = DirectNetwork()
    private let lanes = PlatformLock([Key: AsyncStream<@Sendable () -> Void>.Continuation]())

    deinit { lanes.withLock { lanes in for lane in lanes.values { lane.finish() } } }

    func now() -> Timestamp { direct.now() }

    func send(from client: String, lane: NetworkLane, _ step: @escaping @Sendable () -> Void) {
        pass(Key(client: client, isToBroker: true, lane: lane), step)
    }

    func deliver(to client: String, lane: NetworkLane, _ step: @escaping @Sendable () -> Void) {
        pass(Key(client: client, isToBroker: false, lane: lane), step)
    }

    func schedule(after delay: Duration, _ step: @escaping @Sendable () -> Void) -> @Sendable () -> Void {
        direct.schedule(after: delay, step)
    }

    private func pass(_ key: Key, _ step: @escaping @Sendable () -> Void) {
        lanes.withLock { lanes in
            if let lane = lanes[key] {
                lane.yield(step)
                return
            }
            let (steps, lane) = AsyncStream.makeStream(of: (@Sendable () -> Void).self)
            lane.yield(step)
            lanes[key] = lane
            Task { for await step in steps { step() } }
        }
    }
}
