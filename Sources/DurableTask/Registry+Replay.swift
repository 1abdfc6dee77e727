package import DurableCore
import Logging

/// What becomes of a recorded history under the code that is registered here.
package enum ReplayVerdict: Hashable, Sendable {
    /// A worker with this code would go on with it.
    case fits
    /// No orchestration of that name, for that version, is registered.
    case notRegistered
    /// A worker with this code would hold the instance.
    case diverges(EpisodeFailure)
}

extension Registry {
    /// Replays the history of one execution, as a worker that takes the instance over. Activities do not run, and what
    /// the code logs is dropped. Code that traps ends the process.
    ///
    /// - Parameters:
    ///   - history: All of it, oldest first; empty before the first episode.
    ///   - name: Of the orchestration.
    ///   - version: Of the instance, where its history does not say.
    package func replay(_ history: [HistoryEvent], of name: String, version: String? = nil) -> ReplayVerdict {
        let start = history.executionStarted
        let (version, author) = (start.map(\.version) ?? version, history.lastAuthor)
        guard orchestration(named: name, version: version, author: author) != nil else { return .notRegistered }
        let history = history.withoutImposedEnd
        guard let start, let last = history.last else { return .fits }
        var options = NativeOrchestration.Options()
        options.logger = Logger(label: "dtq.orchestration", factory: { _ in SwiftLogNoOpLogHandler() })
        let session = makeSession(
            name: name, version: start.version, author: author, instanceID: start.instanceID,
            executionID: start.executionID,
            patches: history.recordedPatches, options: options)
        guard let session else { return .notRegistered }
        defer { session.evict() }
        do throws(EpisodeFailure) {
            try session.replay(history)
            // What is asked for and not recorded shows with the next episode.
            _ = try session.run([HistoryEvent(timestamp: last.timestamp, kind: .orchestratorStarted)])
            return .fits
        } catch {
            return .diverges(error)
        }
    }
}
