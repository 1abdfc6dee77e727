import DurableBackend
import DurableCore

/// Looks for what is wrong with a hub through AMQP alone: passive declares, heartbeats, questions to owners, the
/// journal.
package struct HubCheckup {
    private let client: HubClient
    private let activities: [String]
    package private(set) var findings: [Finding] = []
    package private(set) var skipped: [SkippedCheck] = []

    /// How long the broker may take to accept a question to the workers.
    static let publishPatience = Duration.seconds(5)
    /// Records a later owner reads before it serves; at some 50,000 a second more than this takes a while.
    static let unflushedLimit = 100_000
    /// Held instances named in the finding, and instances looked through for them.
    private static let heldShown = 5
    private static let heldSearched = 2000

    /// - Parameter activities: Whose queues to look at besides those of live workers.
    package init(_ client: HubClient, activities: [String] = []) {
        self.client = client
        self.activities = activities
    }

    private var hub: HubName { client.hub }

    /// - Throws: `ClientError` when the broker is gone; whatever else is wrong becomes a finding.
    package mutating func run() async throws {
        checkVersion(of: await client.transport.brokerDescription)
        let hasFleet = try await checkTopology()
        let workers = hasFleet ? try await workers() : nil
        if !hasFleet {
            let reason = "the hub has no fleet exchange, so workers cannot be heard"
            skipped += [.partitions, .outboxes, .logs, .heldInstances].map { SkippedCheck($0, reason) }
        }
        let sample = try await client.sample(workers: workers ?? [], activities: activities)
        checkQueues(sample)
        if workers != nil {
            try await checkPartitions(sample)
            checkOwners(sample)
            await checkHeld(sample)
        }
    }

    // MARK: - Broker

    mutating func checkVersion(of description: String?) {
        guard let description, description.hasPrefix("RabbitMQ "),
            let version = BrokerVersion(description.dropFirst("RabbitMQ ".count))
        else {
            skipped.append(.init(.brokerVersion, "the broker calls itself \"\(description ?? "nothing")\""))
            return
        }
        if version < BrokerVersion(3, 10) {
            findings.append(
                .init(
                    .brokerVersion, .error,
                    "the broker is RabbitMQ \(version), which lacks streams and queues as dtq needs them",
                    remedy: "Upgrade to RabbitMQ 3.10 or newer."))
        } else if version >= BrokerVersion(5, 0) {
            findings.append(
                .init(
                    .brokerVersion, .warning, "the broker is RabbitMQ \(version), newer than any dtq was written for",
                    remedy: "Try it with dtq bench and your own tests before you rely on it."))
        } else if version >= BrokerVersion(3, 11) {
            findings.append(
                .init(
                    .brokerVersion, .note,
                    "the broker is RabbitMQ \(version): dtq is written for 3.10 to 4.x and tested on 3.10"))
        }
    }

    // MARK: - Topology

    /// - Returns: Whether workers can be heard.
    private mutating func checkTopology() async throws -> Bool {
        let differences: [TopologyDifference]
        do throws(TransportError) {
            differences = try await client.transport.differences(from: client.topology.everything)
        } catch {
            throw ClientError.wrapping(error, "cannot verify hub \"\(hub)\"")
        }
        for difference in differences where difference.kind != .unknown {
            findings.append(
                .init(
                    .topology, .error, difference.text,
                    remedy: difference.kind == .missing
                        ? "Declare what is missing with dtq hub create, then send again what was lost with dtq hub redrive."
                        : "See ops/errors/DTQ4003.md."))
        }
        let unknown = differences.filter { $0.kind == .unknown }
        if let first = unknown.first {
            skipped.append(
                .init(.topology, "this broker user may not compare \(unknown.count) of the queues: \(first.text)"))
        }
        do throws(TransportError) {
            return try await client.transport.exchangeExists(client.topology.name(.fleet))
        } catch {
            throw ClientError.wrapping(error, "cannot verify hub \"\(hub)\"")
        }
    }

    // MARK: - Workers

    /// - Returns: nil when the broker does not take the question.
    private mutating func workers() async throws -> [WorkerHeartbeat]? {
        let client = client
        let heard = try await withThrowingTaskGroup(of: [WorkerHeartbeat]?.self) { group in
            group.addTask {
                try await FleetListener.listening(client) { listener in
                    try await listener.callRoll()
                    return await listener.workers
                }
            }
            group.addTask {
                await client.clock.sleep(for: Self.publishPatience)
                return nil
            }
            defer { group.cancelAll() }
            return try await group.next() ?? nil
        }
        try Task.checkCancellation()
        if heard == nil {
            findings.append(
                .init(
                    .brokerAlarms, .error,
                    "the broker has not taken a message for \(Self.publishPatience.components.seconds) s: it blocks publishers, "
                        + "as it does when memory or disk runs short",
                    remedy: "Look at the broker's alarms (rabbitmq-diagnostics alarms) and make room. "
                        + "See ops/errors/DTQ4004.md."
                ))
            let reason = "the broker does not take the question to the workers"
            skipped += [.partitions, .outboxes, .logs, .heldInstances].map { SkippedCheck($0, reason) }
        }
        return heard
    }

    // MARK: - Queues

    private mutating func checkQueues(_ sample: HubSample) {
        for queue in sample.queues {
            let ready = queue.readyMessages ?? 0
            switch queue.role {
            case .dead where ready > 0:
                findings.append(
                    .init(
                        .deadLetters, .warning, "\(queue.name) holds \(ready) messages that were set aside",
                        remedy: "dtq dead list shows them with their reasons."))
            case .work(let activity) where queue.readyMessages == nil:
                findings.append(
                    .init(
                        .activities, .warning,
                        "activity \"\(activity)\" has no queue: no worker has ever registered it",
                        remedy: "Start a worker that registers it. See ops/errors/DTQ2006.md."))
            case .work(let activity) where ready > 0 && queue.consumers == 0:
                findings.append(
                    .init(
                        .activities, .warning,
                        "\(ready) tasks of activity \"\(activity)\" wait and no worker takes them",
                        remedy: "Start a worker that registers it."))
            default: break
            }
        }
    }

    // MARK: - Partitions

    private mutating func checkPartitions(_ sample: HubSample) async throws {
        let unowned = sample.queues.compactMap { queue -> (partition: PartitionID, queue: HubSample.Queue)? in
            guard case .control(let partition) = queue.role, sample.owner(of: partition) == nil else { return nil }
            return (partition, queue)
        }
        if unowned.isEmpty { return }
        var claims: [PartitionID: PartitionClaim] = [:]
        do {
            claims = try await client.claims()
        } catch let error as ClientError {
            skipped.append(.init(.partitions, "the journal cannot be read, so due times are unknown: \(error.text)"))
        }
        let canServe = sample.workers.contains { $0.runsOrchestrations && $0.state == .active }
        var idle: [PartitionID] = []
        for (partition, queue) in unowned {
            if try await checkBaton(of: partition) { continue }
            let reasons = Self.waiting(queue, claims[partition], at: sample.time)
            if (queue.consumers ?? 0) > 0 {
                findings.append(
                    .init(
                        .partitions, .error,
                        "partition \(partition): a worker consumes its control queue and sends no heartbeats",
                        remedy: "Look at the log of that worker; the broker lists its connection. "
                            + "Restart it if it hangs."))
            } else if !reasons.isEmpty || canServe {
                let why = reasons.isEmpty ? "" : ": " + reasons.joined(separator: ", ")
                findings.append(
                    .init(
                        .partitions, .error, "partition \(partition) has no owner\(why)",
                        remedy: canServe
                            ? "Workers take a partition within seconds: look again, then at their logs."
                            : "Start a worker that runs orchestrations."))
            } else {
                idle.append(partition)
            }
        }
        if let first = idle.first {
            let text = idle.count == 1 ? "partition \(first) has no owner" : "\(idle.count) partitions have no owner"
            findings.append(.init(.partitions, .note, "\(text), and nothing waits there"))
        }
    }

    /// What an unowned partition's queue and journal say that is left to do.
    private static func waiting(
        _ queue: HubSample.Queue, _ claim: PartitionClaim?, at now: Timestamp
    ) -> [String] {
        var reasons: [String] = []
        if let ready = queue.readyMessages, ready > 0 { reasons.append("\(ready) messages wait") }
        switch claim {
        case .claimed(let worker, let epoch):
            reasons.append("its last owner \(worker) (epoch \(epoch)) ended without handing it over")
        case .released(_, let nextDue?) where nextDue <= now: reasons.append("a timer was due at \(nextDue)")
        case .released, nil: break
        }
        return reasons
    }

    /// - Returns: Whether a baton is nowhere.
    private mutating func checkBaton(of partition: PartitionID) async throws -> Bool {
        let own = client.topology.queue(.own, partition)
        do throws(TransportError) {
            guard let found = try await client.transport.inspect(queue: own) else { return false }
            if found.readyMessages > 0 || found.consumers > 0 { return false }
        } catch {
            throw ClientError.wrapping(error, "cannot inspect the batons of hub \"\(hub)\"")
        }
        findings.append(
            .init(
                .partitions, .error, "partition \(partition) has no baton, so nobody can own it",
                remedy: "dtq hub create places it again."))
        return true
    }

    private mutating func checkOwners(_ sample: HubSample) {
        for partition in client.topology.partitions {
            guard let (worker, claim) = sample.owner(of: partition) else { continue }
            let subject = "partition \(partition) (owner \(worker), epoch \(claim.epoch))"
            if claim.refused > 0 {
                findings.append(
                    .init(
                        .outboxes, .warning,
                        "\(subject): the broker returns or refuses \(claim.refused) of the \(claim.outbox) messages in its outbox",
                        remedy: "The owner sends them again until a queue takes them; its log names the queue. "
                            + "Start a worker with that activity, or see ops/errors/DTQ2006.md."))
            }
            if claim.unflushed > Self.unflushedLimit {
                findings.append(
                    .init(
                        .logs, .warning, "\(subject): its tables are \(claim.unflushed) records behind its log",
                        remedy: "Look at the disk of that worker's --data; a takeover would have to read all of it."))
            }
        }
    }

    private mutating func checkHeld(_ sample: HubSample) async {
        let count = client.topology.partitions.reduce(0) { $0 + (sample.owner(of: $1)?.claim.heldInstances ?? 0) }
        if count == 0 { return }
        let open = ListFilter(statuses: [.pending, .running, .suspended])
        var names: [String] = []
        if let page = try? await client.list(open, limit: Self.heldSearched) {
            names = page.instances.compactMap { held in held.holdCode.map { "\(held.id) (\($0))" } }
        }
        var which = names.prefix(Self.heldShown).joined(separator: ", ")
        if !which.isEmpty { which = ": \(which)\(count > min(names.count, Self.heldShown) ? " ..." : "")" }
        findings.append(
            .init(
                .heldInstances, .warning,
                "\(count) \(count == 1 ? "instance is" : "instances are") held until somebody acts\(which)",
                remedy: "dtq status ID says why; the code's page in ops/errors says what to do."))
    }
}

/// Version numbers of the broker, as far as they matter.
struct BrokerVersion: Comparable, CustomStringConvertible {
    var major: Int
    var minor: Int
    private let text: String

    init(_ major: Int, _ minor: Int) {
        (self.major, self.minor) = (major, minor)
        text = "\(major).\(minor)"
    }

    /// - Parameter text: Such as `3.10.8` or `4.0.0-rc.1`.
    init?(_ text: Substring) {
        let numbers = text.split(separator: ".", maxSplits: 2)
        guard numbers.count >= 2, let major = Int(numbers[0]), let minor = Int(numbers[1]) else { return nil }
        (self.major, self.minor, self.text) = (major, minor, String(text))
    }

    var description: String { text }
    static func == (left: Self, right: Self) -> Bool { (left.major, left.minor) == (right.major, right.minor) }
    static func < (left: Self, right: Self) -> Bool { (left.major, left.minor) < (right.major, right.minor) }
}
