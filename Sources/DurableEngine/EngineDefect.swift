/// A deliberate mistake in the engine. The simulation turns one on to prove that its checkers see it; nothing else may.
package enum EngineDefect: String, CaseIterable, Sendable {
    /// Deliveries are acknowledged when they arrive, before what they caused is durable.
    case acknowledgesBeforeCheckpoint
    /// Messages go out before the checkpoint that holds them is durable.
    case releasesBeforeDurable
    /// A message of another partition is applied each time it arrives.
    case appliesDuplicates
    /// A client's message is applied each time it arrives.
    case appliesClientDuplicates
    /// A message above a gap is applied at once; what closes the gap counts as a repeat.
    case skipsGaps
    /// A completion is taken for any open task of that number, whichever execution or dispatch it answers.
    case matchesCompletionsByTaskAlone
    /// What an earlier epoch left unconfirmed is not sent again.
    case forgetsOutboxAtRecovery
    /// Tasks of earlier epochs are sent again before the marker, although their completions may be queued.
    case ignoresMarker
    /// Timers that an earlier epoch set are not loaded.
    case forgetsTimersAtRecovery
    /// A checkpoint is appended as two records, one after the other.
    case splitsCheckpoints
    /// The instances in memory outlive their epoch.
    case keepsCacheAfterFencing
    /// Records of the log that the store does not have are not folded in.
    case skipsLogAtRecovery
    /// The store is filled without the sequences that were applied.
    case flushesWithoutDeduplication
    /// Confirmations are dropped instead of logged.
    case forgetsConfirmations
    /// Evicted code is rebuilt without the last event of its history.
    case replaysTooLittle
    /// A task is acknowledged before the broker has its completion.
    case acknowledgesTasksAtOnce
    /// A drain acknowledges the tasks it did not start.
    case drainDropsTasks
}
