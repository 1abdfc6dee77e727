import DurableBackend
import DurableClient
import DurableCore
import DurableJSON

/// Looks for what is wrong with the broker and the hub's queues through the management API.
///
/// Source: the API's own page at `/api/index.html`, RabbitMQ 3.10; keys that a version does not give are passed over.
struct BrokerCheckup {
    private let descriptor: HubDescriptor
    private(set) var findings: [Finding] = []
    private(set) var skipped: [SkippedCheck] = []

    /// What only the management API tells.
    private static let checks: [Finding.Check] = [.brokerAlarms, .brokerLimits, .policies, .queueState]

    /// What a policy may not set on our queues and streams: each bounds what they keep or for how long.
    private static let losingKeys = [
        "max-age", "max-length", "max-length-bytes", "message-ttl", "expires", "overflow", "dead-letter-exchange",
        "dead-letter-routing-key", "delivery-limit", "stream-max-age",
    ]
    /// Least consumer timeout that suits batons, which are exchanged every 10 minutes.
    private static let leastConsumerTimeout = 1_200_000.0

    init(descriptor: HubDescriptor) { self.descriptor = descriptor }

    mutating func run(_ api: ManagementAPI?, _ environment: CommandEnvironment) async {
        guard let api else {
            skip(Self.checks, "needs the management API: add --management URL (DTQ_MANAGEMENT)")
            noteDurability(nodes: nil)
            noteConsumerTimeout()
            return
        }
        let silent = "the management API at \(api.address) does not answer"
        let nodes = await api.array("nodes", environment)
        if let nodes { checkNodes(nodes) } else { skip([.brokerAlarms, .brokerLimits], silent) }
        noteDurability(nodes: nodes?.count)
        if let queues = await api.array("queues/\(api.virtualHost)?columns=\(Self.queueColumns)", environment) {
            checkQueues(queues.filter { $0["name"]?.stringValue?.hasPrefix("dtq.\(descriptor.hub).") ?? false })
        } else {
            skip([.policies, .queueState], silent)
        }
        if let limits = await api.array("vhost-limits/\(api.virtualHost)", environment) { checkLimits(limits) }
        noteConsumerTimeout()
    }

    private mutating func skip(_ checks: [Finding.Check], _ reason: String) {
        skipped += checks.map { SkippedCheck($0, reason) }
    }

    private mutating func find(
        _ check: Finding.Check, _ severity: Finding.Severity, _ text: String, _ remedy: String = ""
    ) {
        findings.append(Finding(check, severity, text, remedy: remedy))
    }

    // MARK: - Nodes

    private mutating func checkNodes(_ nodes: [JSONValue]) {
        for node in nodes {
            let name = node["name"]?.stringValue ?? "without name"
            if node["running"] == .boolean(false) {
                find(.brokerAlarms, .error, "node \(name) is down", "Start it; until then queues may lack a majority.")
                continue
            }
            for (key, what) in [("mem_alarm", "memory"), ("disk_free_alarm", "disk")] where node[key] == .boolean(true)
            {
                find(
                    .brokerAlarms, .error, "node \(name) has a \(what) alarm: it takes no messages",
                    "Make room, or raise the limit. See ops/errors/DTQ4004.md.")
            }
            if case .array(let others)? = node["partitions"], !others.isEmpty {
                find(
                    .brokerAlarms, .error,
                    "node \(name) is cut off from \(others.compactMap(\.stringValue).joined(separator: ", "))",
                    "Mend the network, then restart the nodes of the smaller side.")
            }
            for (used, limit, what) in [
                ("fd_used", "fd_total", "file descriptors"), ("sockets_used", "sockets_total", "sockets"),
                ("proc_used", "proc_total", "Erlang processes"), ("mem_used", "mem_limit", "bytes of memory"),
            ] {
                guard let used = node[used]?.double, let limit = node[limit]?.double, limit > 0, used > limit * 0.8
                else { continue }
                find(
                    .brokerLimits, .warning,
                    "node \(name) uses \(HumanText.grouped(Int(used))) of \(HumanText.grouped(Int(limit))) \(what)",
                    "Raise the limit, or move work elsewhere, before it is reached.")
            }
            if let free = node["disk_free"]?.double, let limit = node["disk_free_limit"]?.double, free < limit * 2 {
                find(
                    .brokerLimits, .warning,
                    "node \(name) has \(HumanText.grouped(Int(free))) bytes of disk left; it stops taking messages "
                        + "below \(HumanText.grouped(Int(limit)))",
                    "Make room on its disk.")
            }
        }
    }

    /// Streams confirm before they are on disk: what that means depends on how many nodes hold them.
    private mutating func noteDurability(nodes: Int?) {
        guard descriptor.logMode == .replicated, nodes ?? 1 < 3 else { return }
        let subject =
            switch nodes {
            case nil: "if this broker has one node, confirmed"
            case 1: "this broker has one node: confirmed"
            default: "this broker has two nodes, which is no majority when one is lost: confirmed"
            }
        find(
            .durability, .note,
            "\(subject) log records survive crashes of the broker's process, but not a power failure "
                + "(streams confirm before they write to disk)",
            "Use three nodes, or dtq hub create --log local.")
    }

    private mutating func noteConsumerTimeout() {
        find(
            .consumerTimeout, .note,
            "the broker's consumer timeout cannot be read from outside; it must be 20 minutes or more (its default is 30), "
                + "and longer than any activity runs",
            "rabbitmqctl eval 'application:get_env(rabbit, consumer_timeout).' on the broker's host shows it.")
    }

    // MARK: - Queues

    private static let queueColumns =
        "name,type,state,policy,operator_policy,effective_policy_definition,members,online,arguments"

    private mutating func checkQueues(_ queues: [JSONValue]) {
        for queue in queues {
            let name = queue["name"]?.stringValue ?? ""
            if let state = queue["state"]?.stringValue, !["running", "idle", "flow"].contains(state) {
                find(
                    .queueState, .error, "\(name) is \(state)",
                    "Look at the broker's nodes; without a majority of them nothing of this queue moves.")
            }
            if case .array(let members)? = queue["members"], case .array(let online)? = queue["online"],
                online.count < members.count
            {
                find(
                    .queueState, .warning, "\(name) has \(online.count) of \(members.count) replicas online",
                    "Start the missing nodes.")
            }
            checkPolicy(of: name, queue)
        }
    }

    private mutating func checkPolicy(of name: String, _ queue: JSONValue) {
        guard case .object(let definition)? = queue["effective_policy_definition"] else { return }
        let names = ["policy", "operator_policy"].compactMap { queue[$0]?.stringValue }.filter { !$0.isEmpty }
        let policy = "policy \(names.map { "\"\($0)\"" }.joined(separator: " and "))"
        let remedy = "Change the policy's pattern so that it leaves dtq. queues alone. See ops/errors/DTQ4003.md."
        let losing = definition.filter { Self.losingKeys.contains($0.key) }.map { "\($0.key) \($0.value.text)" }
        if !losing.isEmpty {
            let what =
                queue["type"]?.stringValue == "stream" ? "retention on a stream whose records must stay" : "limits"
            find(.policies, .error, "\(policy) puts \(what) on \(name): \(losing.joined(separator: ", "))", remedy)
        }
        for member in definition where member.key == "ha-mode" {
            find(.policies, .warning, "\(policy) mirrors \(name), which newer brokers cannot do", remedy)
        }
        for member in definition where member.key == "consumer-timeout" {
            guard let milliseconds = member.value.double, milliseconds < Self.leastConsumerTimeout else { continue }
            find(
                .consumerTimeout, .error, "\(policy) gives \(name) a consumer timeout of \(member.value.text) ms",
                "Use 20 minutes (1200000) or more: batons are held for 10.")
        }
    }

    private mutating func checkLimits(_ limits: [JSONValue]) {
        for limit in limits {
            guard case .object(let values)? = limit["value"] else { continue }
            for member in values where ["max-connections", "max-queues"].contains(member.key) {
                find(
                    .brokerLimits, .note, "the virtual host allows \(member.value.text) \(member.key.dropFirst(4))")
            }
        }
    }
}
