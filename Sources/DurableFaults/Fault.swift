internal import Foundation

/// The faults by name.
package enum Fault: String, CaseIterable, Sendable {
    case kill, freeze, drain, upgrade
    case brokerRestart = "broker-restart"
    case brokerKill = "broker-kill"
    case cut, alarm
    case diskFull = "disk-full"
    case cluster, copies

    package var abstract: String {
        switch self {
        case .kill: "kill -9 of workers, one at a time and all at once"
        case .freeze: "SIGSTOP of a worker for longer than the broker waits, then SIGCONT"
        case .drain: "rolling restart of the whole fleet, by SIGTERM and by dtq drain"
        case .upgrade: "a fleet of two builds: rolling restart from the previous build to this one and back"
        case .brokerRestart: "the broker stopped in order and started again"
        case .brokerKill: "kill -9 of the broker"
        case .cut: "connections ended, and half-open ones that swallow all bytes"
        case .alarm: "the broker's memory alarm, on and off"
        case .diskFull: "no room left for the workers' copies"
        case .cluster: "kill -9 of the leading node of a cluster of three"
        case .copies: "copies deleted while workers run, and while they are down"
        }
    }
}

extension FaultRun {
    /// What must be there before the workers are.
    func prepare() throws {
        switch fault {
        case .cut: proxies = try (0..<Self.seatCount).map { _ in try TCPProxy(to: broker.port(of: 0)) }
        case .diskFull: try prepareSmallDisk()
        case .upgrade: build = .previous
        default: break
        }
    }

    func inject() async throws {
        switch fault {
        case .kill: try await killWorkers()
        case .freeze: try await freezeWorkers()
        case .drain: try await drainWorkers()
        case .upgrade: try await exchangeBuilds()
        case .brokerRestart: try await restartBroker(inOrder: true)
        case .brokerKill: try await restartBroker(inOrder: false)
        case .cut: try await cutConnections()
        case .alarm: try await raiseAlarm()
        case .diskFull: try await fillDisk()
        case .cluster: try await killNodes()
        case .copies: try await deleteCopies()
        }
    }
}
