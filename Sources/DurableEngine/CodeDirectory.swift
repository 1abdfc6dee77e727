package import DurableCore

/// Which code the other workers of the hub have, as they say in their heartbeats. Any thread may ask.
package final class CodeDirectory: Sendable {
    private struct Server: Hashable {
        var worker: WorkerID
        var build: String
    }

    private let servers = PlatformLock<[OrchestrationCode: [Server]]>([:])  // look-up only

    package init() {}

    /// What is known anew.
    package struct News: Hashable, Sendable {
        /// Code that one worker more has, in order.
        package var gained: [OrchestrationCode] = []
        package var isChanged = false
    }

    /// - Parameter heartbeats: Of the other workers that are alive, in order of their IDs.
    package func update(_ heartbeats: [WorkerHeartbeat]) -> News {
        var present: [OrchestrationCode: [Server]] = [:]
        for heartbeat in heartbeats where heartbeat.state == .starting || heartbeat.state == .active {
            for code in heartbeat.codes {
                present[code, default: []].append(Server(worker: heartbeat.worker, build: heartbeat.buildVersion))
            }
        }
        return servers.withLock { servers in
            defer { servers = present }
            guard servers != present else { return News() }
            let gained = present.filter { code, now in
                let before = Set((servers[code] ?? []).map(\.worker))
                return now.contains { !before.contains($0.worker) }
            }
            return News(gained: gained.keys.sorted(), isChanged: true)
        }
    }

    /// Whether another worker has it. Whoever is free takes an episode, so a build is kept away only where nobody has it.
    ///
    /// - Parameter build: A build that must not run it; nil: any may.
    package func has(_ code: OrchestrationCode, otherThan build: String? = nil) -> Bool {
        let found = servers.withLock { $0[code] } ?? []
        return !found.isEmpty && (build == nil || found.allSatisfy { $0.build != build })
    }
}
