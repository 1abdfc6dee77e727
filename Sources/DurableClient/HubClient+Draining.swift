import DurableBackend
package import DurableCore
import DurableWire

/// How a worker that was asked to drain ended.
package struct DrainOutcome: Hashable, Sendable {
    package enum End: Hashable, Sendable {
        /// It stopped in order; nil: of a version that sends no receipt.
        case drained(WorkerReceipt?)
        /// It fell silent without a word: killed, or cut off from the broker. What it had goes to others by itself.
        case silent
    }

    package var worker: WorkerID
    package var end: End
    package init(worker: WorkerID, end: End) {
        self.worker = worker
        self.end = end
    }
}

extension HubClient {
    /// Asks workers to drain and waits until each has stopped or fallen silent.
    ///
    /// A request can get lost with a worker's connection: it is sent again, every second, to those that do not say they
    /// drain.
    ///
    /// - Parameters:
    ///   - targets: Workers `listener` has heard.
    ///   - includesOthers: Also those heard meanwhile that had started before this call.
    ///   - grace: How long running activities may go on; nil: as each worker is configured.
    ///   - onEnd: Called for each in order of their ends.
    /// - Returns: One outcome a worker, in order of their IDs.
    package func drain(
        _ targets: [WorkerID], includingOthers includesOthers: Bool = false, grace: Duration?,
        heardBy listener: FleetListener, onEnd: (DrainOutcome) async -> Void = { _ in }
    ) async throws -> [DrainOutcome] {
        let begin = clock.now()
        var open = targets
        var outcomes: [DrainOutcome] = []
        while true {
            let active = await listener.workers.filter { $0.state == .starting || $0.state == .active }
            if includesOthers {
                let known = open + outcomes.map(\.worker)
                open += active.filter { $0.startedAt <= begin && !known.contains($0.worker) }.map(\.worker)
            }
            if open.isEmpty { break }
            let unheard = active.map(\.worker).filter(open.contains)
            if !unheard.isEmpty {
                try await publish(
                    [topology.drain(DrainRequest(workers: unheard, grace: grace), at: clock.now())],
                    "cannot ask the workers of hub \"\(hub)\" to drain")
            }
            await clock.sleep(for: .seconds(1))
            try Task.checkCancellation()
            try await listener.check()
            for worker in open {
                guard let end = await listener.end(of: worker) else { continue }
                open.removeAll { $0 == worker }
                outcomes.append(DrainOutcome(worker: worker, end: end))
                await onEnd(DrainOutcome(worker: worker, end: end))
            }
        }
        return outcomes.sorted { $0.worker < $1.worker }
    }
}

extension FleetListener {
    /// How a worker that was heard before ended; nil while it is alive.
    fileprivate func end(of worker: WorkerID) -> DrainOutcome.End? {
        if let last = last(of: worker), last.state == .stopped { return .drained(last.receipt) }
        return workers.contains { $0.worker == worker } ? nil : .silent
    }
}
