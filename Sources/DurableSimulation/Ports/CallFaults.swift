package import DurableBackend
import DurableCore
package import DurableMemory

/// Which calls of the clients of the broker fail.
package final class CallFaults: @unchecked Sendable {  // confined to the simulator's thread
    private struct Due {
        var client: String
        /// Only publishes that matter count.
        var isPublish: Bool
        var calls: Int
        var fault: FaultPlan.Fault
    }

    private var due: [Due] = []
    private var partitioned: Set<String> = []  // look-up only
    private var refused: Set<String> = []  // look-up only
    private var random: SeededGenerator

    private let onFault: (String) -> Void

    private let isRefusable: (OutgoingMessage) -> Bool

    /// - Parameters:
    ///   - random: Draws which messages are refused.
    ///   - isRefusable: Whether a publish of this message counts where publishes are counted.
    ///   - onFault: Called with the client's name when one of its calls fails.
    package init(
        random: SeededGenerator, isRefusable: @escaping (OutgoingMessage) -> Bool, onFault: @escaping (String) -> Void
    ) {
        self.random = random
        self.isRefusable = isRefusable
        self.onFault = onFault
    }

    package var plan: FaultPlan { FaultPlan { self.next($0) } }

    /// The `calls`-th call of the client from now on meets `fault`; only publishes of tasks and of messages to
    /// partitions count if `isPublish`.
    package func plan(_ fault: FaultPlan.Fault, atCall calls: Int, of client: String, isPublish: Bool = false) {
        due.append(Due(client: client, isPublish: isPublish, calls: calls, fault: fault))
    }

    package func partition(_ client: String) { partitioned.insert(client) }
    /// From now on about every second task or message to a partition is refused.
    package func refuseSome(of client: String) { refused.insert(client) }
    package func heal(_ client: String) {
        partitioned.remove(client)
        refused.remove(client)
    }

    private func next(_ point: FaultPlan.Point) -> FaultPlan.Fault {
        if partitioned.contains(point.transport) { return .cutBefore }
        var isPublish = false
        if case .publish(let messages) = point.call { isPublish = messages.contains { isRefusable($0) } }
        var fault = FaultPlan.Fault.none
        if isPublish, refused.contains(point.transport) { fault = .rejectSome(random.next()) }
        for index in due.indices where due[index].client == point.transport && (isPublish || !due[index].isPublish) {
            due[index].calls -= 1
            if due[index].calls == 0 { fault = due[index].fault }
        }
        due.removeAll { $0.calls <= 0 }
        if fault != .none { onFault(point.transport) }
        return fault
    }
}
