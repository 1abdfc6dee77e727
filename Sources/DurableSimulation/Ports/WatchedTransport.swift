import DurableBackend
import DurableCore
import DurableWire

/// A worker's transport: what it publishes is looked at first. Everything else passes through.
final class WatchedTransport: MessageTransport {
    private let base: any MessageTransport
    private let watch: PublishWatch
    private let node: Node
    private let disturbances: Disturbances
    /// Deliberate: every so often a publish is confirmed that never reached the broker.
    private let losesConfirmed: Bool
    private let count = PlatformLock(0)

    init(
        _ base: any MessageTransport, of node: Node, watch: PublishWatch, disturbances: Disturbances,
        losesConfirmed: Bool = false
    ) {
        self.base = base
        self.disturbances = disturbances
        self.node = node
        self.watch = watch
        self.losesConfirmed = losesConfirmed
    }

    func publish(_ messages: [OutgoingMessage]) async throws(TransportError) -> [PublishOutcome] {
        let batches = watch.publishes(messages, from: node)
        if losesConfirmed {
            let number = count.withLock { count in
                count += 1
                return count
            }
            if number % 25 == 0 { return messages.map { _ in .confirmed } }
        }
        let outcomes: [PublishOutcome]
        do throws(TransportError) {
            outcomes = try await base.publish(messages)
        } catch {
            // A call that was cut off began before its connection ended.
            disturbances.happened(to: node)
            throw error
        }
        watch.published(batches, outcomes)
        return outcomes
    }

    func openChannel() async throws(TransportError) -> any ConsumerChannel { try await base.openChannel() }

    func inspect(queue: String) async throws(TransportError) -> QueueInspection? {
        try await base.inspect(queue: queue)
    }

    func declare(_ topology: TopologyFragment) async throws(TransportError) {
        try await base.declare(topology)
    }

    func exchangeExists(_ name: String) async throws(TransportError) -> Bool {
        try await base.exchangeExists(name)
    }

    func delete(queues: [String], exchanges: [String]) async throws(TransportError) {
        try await base.delete(queues: queues, exchanges: exchanges)
    }

    func get(queue: String, count: Int, peek: Bool) async throws(TransportError) -> [Delivery] {
        try await base.get(queue: queue, count: count, peek: peek)
    }

    var brokerDescription: String? { get async { await base.brokerDescription } }

    func close() async { await base.close() }
}

/// Effects as they leave workers: none may come from a checkpoint that is not in the log, no task may go out again
/// that its owner knows to be answered.
package final class PublishWatch: @unchecked Sendable {  // confined to the simulator's thread
    private let witness: Witness
    private let ledger: ActivityLedger
    private let topology: HubTopology
    private let workExchange: String
    private let controlExchange: String
    private let simulator: Simulator
    /// Owners were asked to send again what is pending, whether it was lost or not.
    var isRedriving = false
    /// When the broker had confirmed a completion, by task and dispatch. Look-up only.
    private var completionsQueued: [String: Duration] = [:]
    /// When each partition's owner sent the marker of its epoch. Look-up only.
    private var markers: [PartitionID: (epoch: Epoch, at: Duration)] = [:]

    /// No completion stands in any queue.
    func queuesArePurged() { completionsQueued = [:] }

    init(_ witness: Witness, ledger: ActivityLedger, topology: HubTopology, in simulator: Simulator) {
        self.witness = witness
        self.ledger = ledger
        self.topology = topology
        workExchange = topology.name(.work)
        controlExchange = topology.name(.control)
        self.simulator = simulator
    }

    /// - Returns: For each message what it holds for a partition, for `published`.
    fileprivate func publishes(_ messages: [OutgoingMessage], from node: Node) -> [MessageBatch?] {
        messages.map { message in
            if message.exchange == workExchange, let task = try? TaskMessage(wire: message.body) {
                check(task, from: node)
            } else if message.exchange == controlExchange, let batch = try? MessageBatch(wire: message.body) {
                if let marker = batch.marker, let index = Int(message.routingKey) {
                    markers[PartitionID(index)] = (marker, simulator.elapsed)
                }
                for message in batch.messages { check(message) }
                return batch
            }
            return nil
        }
    }

    private func check(_ task: TaskMessage, from node: Node) {
        ledger.sending(task, from: node)
        witness.note("\(node.name) sends task \(task.idempotencyKey)\(task.isRedispatch ? " again" : "")")
        guard witness.isScheduled(task) else {
            return witness.violated("I5: task \(task.idempotencyKey) was sent, but no checkpoint in the log holds it")
        }
        let partition = task.instanceID.partition(of: topology.partitionCount)
        // Who was superseded cannot know.
        guard witness.partitions[partition.index].owner === node, !isRedriving else { return }
        if witness.isAnswered(task) {
            witness.violated("I3: task \(task.idempotencyKey) was sent by its owner after its completion was taken")
        } else if !witness.isInOutbox(task) {
            witness.violated("I3: task \(task.idempotencyKey) was sent although its confirm is on record")
        }
        if task.isRedispatch, let queued = completionsQueued[Witness.key(task)], let marker = markers[partition],
            marker.epoch == witness.partitions[partition.index].newest, queued < marker.at,
            queued > witness.purgedAt[task.instanceID] ?? .zero
        {
            witness.violated(
                "I3: task \(task.idempotencyKey) was sent again although its completion stood before the marker")
        }
    }

    private func check(_ message: Message) {
        guard let origin = message.origin else { return }
        let sender = witness.partitions[origin.partition.index]
        let destination = message.instanceID.partition(of: topology.partitionCount)
        if origin.sequence > sender.state.sequences[destination] ?? 0 {
            witness.violated("I5: message \(message.id) was sent, but no checkpoint in the log holds it")
        }
    }

    fileprivate func published(_ batches: [MessageBatch?], _ outcomes: [PublishOutcome]) {
        for case (let batch?, .confirmed) in zip(batches, outcomes) {
            for message in batch.messages {
                guard let executionID = message.executionID else { continue }
                switch message.event.kind {
                case .taskCompleted(let id, _), .taskFailed(let id, _):
                    let task = TaskMessage(
                        instanceID: message.instanceID, executionID: executionID, taskID: id,
                        dispatch: message.dispatch, name: "", input: nil)
                    completionsQueued[Witness.key(task)] = simulator.elapsed
                default: break
                }
            }
        }
    }
}
