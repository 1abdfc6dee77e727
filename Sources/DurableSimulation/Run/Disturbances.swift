/// When something went wrong with each worker that may cost it a channel, a confirm or a record.
///
/// Stopping in order, handing over, clocks that jump and slowness are none: they permit no second run of anything.
final class Disturbances: @unchecked Sendable {  // confined to the simulator's thread
    private let simulator: Simulator
    private var lastOfAll = Duration.seconds(-1)
    private var last: [Int: Duration] = [:]  // by node; look-up only
    /// What goes on at present, by node; a negative one: for all.
    private var open: [Int: Int] = [:]  // look-up only
    private static var everybody: Int { -1 }

    init(in simulator: Simulator) { self.simulator = simulator }

    func happened(to node: Node) { last[node.number] = simulator.elapsed }
    func happened(to node: Node, for duration: Duration) {
        begin(with: node)
        simulator.schedule(after: duration, in: simulator.root) { self.end(with: node) }
    }

    func happenedToAll() { lastOfAll = simulator.elapsed }

    /// From now until `end`; nil: with all nodes.
    func begin(with node: Node?) { open[node?.number ?? Self.everybody, default: 0] += 1 }

    func end(with node: Node?) {
        open[node?.number ?? Self.everybody, default: 1] -= 1
        if let node { happened(to: node) } else { happenedToAll() }
    }

    /// Whether anything went wrong with the node at `time` or later.
    func touched(_ node: Node, since time: Duration) -> Bool {
        if open[node.number, default: 0] > 0 || open[Self.everybody, default: 0] > 0 { return true }
        return max(lastOfAll, last[node.number] ?? .seconds(-1)) >= time
    }
}
