import DurableBackend
package import DurableCore

package enum WaitResult: Hashable, Sendable {
    /// The instance is in a terminal status.
    case ended(InstanceSnapshot)
    case timedOut
}

extension HubClient {
    /// Waits until an instance has ended, through changes of owners and reconnects.
    ///
    /// - Parameters:
    ///   - timeout: nil waits for ever.
    ///   - isSubmitted: The instance was submitted just now: its start may still be in the queue, so "not found" means
    ///     "not yet".
    ///   - onSilence: Called once when no worker serves the partition; the wait goes on.
    /// - Throws: `ClientError` DTQ5002 when there is no such instance.
    package func wait(
        for id: InstanceID, timeout: Duration? = nil, isSubmitted: Bool = false,
        onSilence: (Silence) -> Void = { _ in }
    ) async throws -> WaitResult {
        try check(id)
        let partition = partition(of: id)
        let deadline = timeout.map { clock.uptime() + $0 }
        func patience(_ most: Duration) -> Duration {
            deadline.map { max(.zero, min(most, $0 - clock.uptime())) } ?? most
        }
        var hasToldSilence = false
        var unknownCount = 0
        return try await withQuestion(.wait(id), of: partition) { question in
            while true {
                try await publish([question.message], "cannot wait for instance \(id)")
                let reply = await replies.reply(
                    to: question.correlationID, within: patience(options.askAgainAfter))
                try Task.checkCancellation()
                switch try reply.map(answer(in:)) {
                case .status(let snapshot)? where snapshot.status.isTerminal:
                    return .ended(snapshot)
                case .status?:
                    break
                case .notFound? where isSubmitted:
                    unknownCount += 1
                    if let deadline, clock.uptime() >= deadline { return .timedOut }
                    await clock.sleep(for: patience(options.backoff(before: unknownCount)))
                case .notFound?:
                    throw notFound(id)
                case let other?:
                    throw unexpected(other, "end of instance \(id)")
                case nil:
                    if let deadline, clock.uptime() >= deadline { return .timedOut }
                    guard !hasToldSilence else { break }
                    let silence = try await silence(of: partition)
                    if !silence.isServed {
                        hasToldSilence = true
                        onSilence(silence)
                    }
                }
            }
        }
    }

    package func notFound(_ id: InstanceID) -> ClientError {
        ClientError(
            .instanceNotFound,
            "instance \(id) is not in hub \"\(hub)\" (partition \(partition(of: id))). Nothing was changed. "
                + "Check ID and --hub; dtq list shows what is there.")
    }
}
