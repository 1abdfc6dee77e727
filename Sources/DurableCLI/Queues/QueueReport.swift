import DurableClient
import DurableCore
import DurableJSON

/// One look at a hub's queues as text and as JSON.
struct QueueReport {
    var hub: HubName
    var previous: HubSample?
    var current: HubSample
    /// The broker's own numbers by queue name; nil: not asked for, or no answer.
    var management: [String: ManagementAPI.Queue]?

    init(hub: HubName, previous: HubSample?, current: HubSample) {
        self.hub = hub
        self.previous = previous
        self.current = current
    }

    private var seconds: Double? {
        guard let previous else { return nil }
        let (seconds, attoseconds) = current.time.since(previous.time).components
        let total = Double(seconds) + Double(attoseconds) / 1e18
        return total > 0 ? total : nil
    }

    /// Change of ready messages a second; nil without an earlier look.
    private func readyPerSecond(_ queue: HubSample.Queue) -> Double? {
        guard let seconds, let now = queue.readyMessages,
            let before = previous?.queues.first(where: { $0.name == queue.name })?.readyMessages
        else { return nil }
        return Double(now - before) / seconds
    }

    /// Growth a second of a counter of the workers that were there at both looks.
    private func perSecond(_ counter: (WorkerHeartbeat) -> UInt64) -> Double? {
        guard let seconds, let previous, !previous.workers.isEmpty else { return nil }
        var growth: UInt64 = 0
        for worker in current.workers {
            guard let before = previous.workers.first(where: { $0.worker == worker.worker }) else { continue }
            growth += counter(worker) - min(counter(worker), counter(before))
        }
        return Double(growth) / seconds
    }

    // MARK: - Text

    func lines(_ style: TerminalStyle) -> [String] {
        var lines = [
            "Hub \"\(hub)\", \(HumanText.count(current.workers.count, "worker")), \(HumanText.time(current.time)) UTC",
            "",
        ]
        let work = current.queues.filter { if case .work = $0.role { true } else { false } }
        if !work.isEmpty {
            var table = TextTable([.init("ACTIVITY")] + depthColumns)
            for queue in work {
                guard case .work(let activity) = queue.role else { continue }
                table.append([activity] + depthCells(queue))
            }
            lines += table.lines(style) + [""]
        }
        lines += episodeLines(style)
        var table = TextTable(
            [.init("PARTITION", .right)] + depthColumns
                + [.init("OUTBOX", .right), .init("HELD", .right), .init("NEXT DUE"), .init("EPOCH"), .init("OWNER")])
        for queue in current.queues {
            guard case .control(let partition) = queue.role else { continue }
            let owner = current.owner(of: partition)
            table.append(
                ["\(partition)"] + depthCells(queue) + [
                    owner.map { HumanText.grouped($0.claim.outbox) } ?? "-",
                    owner.map { HumanText.grouped($0.claim.heldInstances) } ?? "-",
                    current.nextDue(of: partition).map(HumanText.time) ?? "-",
                    owner.map { $0.claim.epoch.description } ?? "-", owner.map(\.worker.value) ?? "-",
                ])
        }
        lines += table.lines(style)
        lines += notes(style)
        return lines
    }

    /// Only where something waits: with one build of workers alone no episode is ever shipped.
    private func episodeLines(_ style: TerminalStyle) -> [String] {
        var table = TextTable([.init("ORCHESTRATION"), .init("VERSION")] + depthColumns + [.init("NO CODE", .right)])
        var isEmpty = true
        for queue in current.queues {
            guard case .episodes(let code) = queue.role else { continue }
            let waiting = current.missingCode.first { $0.code == code }?.instances ?? 0
            if (queue.readyMessages ?? 0) == 0 && waiting == 0 { continue }
            isEmpty = false
            table.append(
                [TerminalText.safe(code.name), code.version.map(TerminalText.safe) ?? "-"] + depthCells(queue)
                    + [HumanText.grouped(waiting)])
        }
        return isEmpty ? [] : table.lines(style) + [""]
    }

    private var depthColumns: [TextTable.Column] {
        [.init("READY", .right), .init("CONSUMERS", .right), .init("IN FLIGHT", .right), .init("READY/S", .right)]
            + (management == nil
                ? [] : [.init("UNACKED", .right), .init("IN/S", .right), .init("OUT/S", .right)])
    }

    private func depthCells(_ queue: HubSample.Queue) -> [String] {
        var cells = [
            queue.readyMessages.map { HumanText.grouped($0) } ?? "missing",
            queue.consumers.map { HumanText.grouped($0) } ?? "-",
            current.inFlight(of: queue.role).map { HumanText.grouped($0) } ?? "-",
            readyPerSecond(queue).map(HumanText.signed) ?? "-",
        ]
        if let management {
            let found = management[queue.name]
            cells += [
                found?.unacknowledged.map { HumanText.grouped($0) } ?? "-",
                found?.publishedPerSecond.map { HumanText.decimal($0) } ?? "-",
                found?.deliveredPerSecond.map { HumanText.decimal($0) } ?? "-",
            ]
        }
        return cells
    }

    private func notes(_ style: TerminalStyle) -> [String] {
        var notes: [String] = []
        let unserved = current.queues.compactMap { queue -> (index: Int, ready: Int)? in
            guard case .control(let partition) = queue.role, (queue.consumers ?? 0) == 0 else { return nil }
            return (partition.index, queue.readyMessages ?? 0)
        }
        if !unserved.isEmpty {
            let waiting = HumanText.count(unserved.reduce(0) { $0 + $1.ready }, "message")
            notes.append(
                style.warning(
                    "No worker serves partition\(unserved.count == 1 ? "" : "s") "
                        + "\(WorkersCommand.ranges(unserved.map(\.index))): \(waiting) waiting."))
        }
        if let dead = current.queues.first(where: { $0.role == .dead })?.readyMessages, dead > 0 {
            notes.append(style.warning("\(HumanText.count(dead, "dead letter")): see dtq dead list."))
        }
        for missing in current.missingCode {
            notes.append(
                style.warning(
                    "\(HumanText.count(missing.instances, "instance")) waiting for code: no worker has orchestration "
                        + "\(TerminalText.safe(missing.code.description))."))
        }
        if let episodes = perSecond(\.episodeCount), let runs = perSecond(\.activityRunCount) {
            notes.append("\(HumanText.decimal(episodes)) episodes a second, \(HumanText.decimal(runs)) activity runs.")
        }
        return notes.isEmpty ? [] : [""] + notes
    }

    // MARK: - JSON

    var json: JSONValue {
        [
            "hub": .string(hub.value),
            "time": .string(current.time.description),
            "workers": .integer(current.workers.count),
            "episodesPerSecond": .optional(perSecond(\.episodeCount)) { .decimal($0) },
            "activityRunsPerSecond": .optional(perSecond(\.activityRunCount)) { .decimal($0) },
            "queues": .array(current.queues.map(queueJSON)),
            "missingCode": .array(
                current.missingCode.map {
                    [
                        "orchestration": .string($0.code.name), "version": .optional($0.code.version) { .string($0) },
                        "instances": .integer($0.instances),
                    ]
                }),
            "partitions": .array(
                current.queues.compactMap { queue in
                    guard case .control(let partition) = queue.role else { return nil }
                    return partitionJSON(partition)
                }),
        ]
    }

    private func queueJSON(_ queue: HubSample.Queue) -> JSONValue {
        let (kind, activity, partition): (JSONValue, JSONValue, JSONValue) =
            switch queue.role {
            case .work(let activity): ("work", .string(activity), .null)
            case .control(let partition): ("control", .null, .integer(partition.index))
            case .episodes: ("episodes", .null, .null)
            case .dead: ("dead", .null, .null)
            }
        var code: OrchestrationCode?
        if case .episodes(let found) = queue.role { code = found }
        let found = management?[queue.name]
        return [
            "queue": .string(queue.name), "kind": kind, "activity": activity, "partition": partition,
            "orchestration": .optional(code) { .string($0.name) },
            "version": .optional(code?.version) { .string($0) },
            "ready": .optional(queue.readyMessages) { .integer($0) },
            "consumers": .optional(queue.consumers) { .integer($0) },
            "inFlight": .optional(current.inFlight(of: queue.role)) { .integer($0) },
            "readyPerSecond": .optional(readyPerSecond(queue)) { .decimal($0) },
            "unacknowledged": .optional(found?.unacknowledged) { .integer($0) },
            "publishedPerSecond": .optional(found?.publishedPerSecond) { .decimal($0) },
            "deliveredPerSecond": .optional(found?.deliveredPerSecond) { .decimal($0) },
        ]
    }

    private func partitionJSON(_ partition: PartitionID) -> JSONValue {
        let owner = current.owner(of: partition)
        return [
            "partition": .integer(partition.index),
            "owner": .optional(owner) { .string($0.worker.value) },
            "epoch": .optional(owner) { .string($0.claim.epoch.description) },
            "outbox": .optional(owner) { .integer($0.claim.outbox) },
            "heldInstances": .optional(owner) { .integer($0.claim.heldInstances) },
            "nextDue": .optional(current.nextDue(of: partition)) { .string($0.description) },
        ]
    }
}
