import DurableBackend
package import DurableCore

/// Depths of a hub's queues and what its workers say, at one time. Needs AMQP alone.
package struct HubSample: Hashable, Sendable {
    package var time: Timestamp
    /// Work queues in order of activities, episode queues in order of orchestrations, then control queues in order of partitions, then the dead letters.
    package var queues: [Queue]
    /// In order of their IDs.
    package var workers: [WorkerHeartbeat]
    /// What the journal says of partitions; read only when one has no owner. Look-up only.
    package var claims: [PartitionID: PartitionClaim] = [:]

    package init(time: Timestamp, queues: [Queue], workers: [WorkerHeartbeat]) {
        self.time = time
        self.queues = queues
        self.workers = workers
    }

    package struct Queue: Hashable, Sendable {
        package var name: String
        package var role: Role
        /// nil: the queue is missing.
        package var readyMessages: Int?
        package var consumers: Int?

        package init(name: String, role: Role, readyMessages: Int?, consumers: Int?) {
            self.name = name
            self.role = role
            self.readyMessages = readyMessages
            self.consumers = consumers
        }
    }

    package enum Role: Hashable, Sendable {
        case work(activity: String)
        case episodes(OrchestrationCode)
        case control(PartitionID)
        case dead
    }

    /// Who owns a partition; with several claims the newest epoch counts, older ones are about to notice.
    package func owner(of partition: PartitionID) -> (worker: WorkerID, claim: WorkerHeartbeat.Partition)? {
        let claims = workers.flatMap { worker in
            worker.partitions.filter { $0.partition == partition }.map { (worker: worker.worker, claim: $0) }
        }
        return claims.max { $0.claim.epoch < $1.claim.epoch }
    }

    /// Instances by the code that they wait for and no worker has, in order.
    package var missingCode: [WorkerHeartbeat.MissingCode] {
        var sums: [OrchestrationCode: Int] = [:]
        for missing in workers.flatMap(\.missingCode) { sums[missing.code, default: 0] += missing.instances }
        return sums.sorted { $0.key < $1.key }.map { .init(code: $0.key, instances: $0.value) }
    }

    /// When the earliest timer of a partition is due: by its owner's word, or what the last one left behind.
    package func nextDue(of partition: PartitionID) -> Timestamp? {
        if let owner = owner(of: partition) { return owner.claim.nextDue }
        return claims[partition]?.nextDue
    }

    /// Deliveries that workers hold, by their own account; nil for dead letters.
    package func inFlight(of role: Role) -> Int? {
        switch role {
        case .work(let activity):
            workers.reduce(0) { sum, worker in
                worker.activities.reduce(sum) { $0 + ($1.name == activity ? $1.inFlight : 0) }
            }
        case .control(let partition): owner(of: partition)?.claim.inFlight ?? 0
        case .episodes, .dead: nil
        }
    }
}

extension HubClient {
    /// Asks the broker for depths.
    ///
    /// - Parameters:
    ///   - workers: Heartbeats to show with them; they also name activities and orchestrations.
    ///   - activities: More activities whose queues to look at.
    ///   - readsClaims: Also ask the journal about partitions that no worker owns. A broker user who may not read it
    ///     sees the rest.
    package func sample(
        workers: [WorkerHeartbeat], activities: [String] = [], readsClaims: Bool = false
    ) async throws -> HubSample {
        let names = Set(activities + workers.flatMap { $0.activities.map(\.name) }).sorted()
        let codes = Set(workers.flatMap { $0.codes + $0.missingCode.map(\.code) }).sorted()
        let wanted: [(String, HubSample.Role)] =
            names.map { (topology.workQueue($0), .work(activity: $0)) }
            + codes.map { (topology.episodeQueue($0), .episodes($0)) }
            + topology.partitions.map { (topology.queue(.control, $0), .control($0)) }
            + [(topology.name(.dead), .dead)]
        var sample = HubSample(time: clock.now(), queues: [], workers: workers)
        do throws(TransportError) {
            for (name, role) in wanted {
                let found = try await transport.inspect(queue: name)
                sample.queues.append(
                    .init(name: name, role: role, readyMessages: found?.readyMessages, consumers: found?.consumers))
            }
        } catch {
            throw ClientError.wrapping(error, "cannot inspect the queues of hub \"\(hub)\"")
        }
        if readsClaims, topology.partitions.contains(where: { sample.owner(of: $0) == nil }) {
            sample.claims = (try? await claims()) ?? [:]
        }
        return sample
    }

    /// Partitions whose control queue nobody consumes, in order.
    package func unservedPartitions() async throws -> [Silence] {
        try await sample(workers: []).queues.compactMap { queue in
            guard case .control(let partition) = queue.role, (queue.consumers ?? 0) == 0 else { return nil }
            return Silence(hub: hub, partition: partition, waitingMessages: queue.readyMessages, isServed: false)
        }
    }
}
