internal import DurableCore
internal import Foundation

/// Faults of the broker and of the way to it.
extension FaultRun {
    func restartBroker(inOrder: Bool) async throws {
        for round in 1...(isLong ? 5 : 1) {
            let start = Timestamp.now
            if inOrder { try broker.stop() } else { try broker.kill() }
            say("round \(round): broker \(inOrder ? "stopped" : "killed")")
            try broker.restart()
            let end = Timestamp.now
            note(Injection(.brokerStopped, worker: nil, from: start, to: end))
            say("broker back after \(end.since(start) / .milliseconds(1)) ms")
            try await waitForProgress(60)
        }
    }

    func cutConnections() async throws {
        for round in 1...(isLong ? 5 : 1) {
            for seat in seats.indices {
                let time = Timestamp.now
                proxies[seat].cut()
                note(Injection(.cutOff, worker: seats[seat].processIdentifier, from: time, to: time + .seconds(1)))
                say("round \(round): ended the connections of worker \(seats[seat].processIdentifier)")
                try await waitForProgress(20)
            }
            // Half-open: nothing is said, nothing arrives, nobody is told.
            let owners = owners()
            let seat =
                seats.indices.max { partitionCount(ofSeat: $0, owners) < partitionCount(ofSeat: $1, owners) } ?? 0
            let worker = seats[seat].processIdentifier
            let start = Timestamp.now
            proxies[seat].silence()
            say("silenced worker \(worker)")
            try await waitUntilServed(except: worker)
            // What was swallowed is missing in the streams of bytes: no such connection can go on.
            proxies[seat].cut()
            proxies[seat].restore()
            note(Injection(.cutOff, worker: worker, from: start, to: .now + .seconds(1)))
            notes.append("\(proxies[seat].swallowedByteCount) bytes swallowed")
            try await waitForProgress(60)
        }
    }

    func raiseAlarm() async throws {
        for round in 1...(isLong ? 5 : 1) {
            let start = Timestamp.now
            try broker.control("set_vm_memory_high_watermark", "absolute", "1MB")
            say("round \(round): memory alarm")
            try await Task.sleep(for: .seconds(isLong ? 15 : 6))
            try broker.control("set_vm_memory_high_watermark", "0.4")
            note(Injection(.brokerBlocked, worker: nil, from: start, to: .now))
            try await waitForProgress(60)
        }
    }

    func killNodes() async throws {
        for round in 1...(isLong ? 5 : 2) {
            let node = try leadingNode()
            let start = Timestamp.now
            try broker.kill(node: node)
            note(Injection(.nodeKilled, worker: nil, from: start, to: .now + .seconds(1)))
            say("round \(round): killed node \(node + 1)")
            try await waitForProgress(60)
            try broker.restart(node: node)
            say("node \(node + 1) is back")
            try await waitForProgress(60)
        }
    }

    /// The node that leads most queues and streams of the hub.
    private func leadingNode() throws -> Int {
        let text = try broker.control("-q", "list_queues", "name", "leader", "--no-table-headers")
        let counts = (0..<3).map { node in
            let port = (try? broker.port(of: node)) ?? 0
            return text.split(separator: "\n").count {
                $0.contains("dtq-\(port)@") && $0.hasPrefix("dtq.\(fleet.hub).")
            }
        }
        say("queues led by node: \(counts)")
        return counts.indices.max { counts[$0] < counts[$1] } ?? 0
    }
}
