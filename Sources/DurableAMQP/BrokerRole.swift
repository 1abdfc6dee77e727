package import DurableBackend

/// The broker users a hub needs besides the administrator who declares it; each may do its job and no more.
package enum BrokerRole: String, CaseIterable, Sendable {
    /// Submits, asks and raises: `dtq submit`, an application.
    case client
    /// Runs orchestrations and activities.
    case worker
    /// Reads depths and heartbeats: `dtq queues`, `dtq workers`.
    case monitor

    /// What `rabbitmqctl set_permissions` takes: regular expressions over the names a user may touch.
    package struct Permissions: Hashable, Sendable {
        package var configure: String
        package var write: String
        package var read: String
    }

    /// Private queues are named `dtq.H.reply.*` and `dtq.H.fleet.*`: to declare one takes configure, to bind it write
    /// and read on the exchange, to consume from it read. The right to write to the default exchange is never given:
    /// it would reach every queue of the virtual host.
    package func permissions(in topology: HubTopology) -> Permissions {
        func names(_ alternatives: String...) -> String {
            let prefix = topology.name(.hub).dropLast(HubTopology.Family.hub.rawValue.count)
            return "^" + prefix.replacing(".", with: "\\.") + "(" + alternatives.joined(separator: "|") + ")$"
        }
        let own = "(reply|fleet)\\..+"
        return switch self {
        case .client:
            Permissions(
                configure: names(own), write: names("client", "fleet", own), read: names("hub", "reply", "fleet", own))
        case .worker:
            Permissions(
                configure: names("episodes", "(work|episodes|reply|fleet|log|archive)\\..+"),
                write: names(
                    "journal", "own", "client", "control", "wake", "work", "episodes", "reply", "fleet", "dead", "log",
                    "(work|episodes|reply|fleet|log|archive)\\..+"),
                read: names(
                    "hub", "journal", "work", "episodes", "reply", "fleet", "log",
                    "(own|control|query|wake|work|episodes|reply|fleet|log|archive)\\..+"))
        case .monitor:
            Permissions(
                configure: names(own), write: names("fleet", own), read: names("hub", "journal", "reply", "fleet", own))
        }
    }
}
