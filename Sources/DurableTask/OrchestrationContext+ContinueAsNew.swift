extension OrchestrationContext {
    // MARK: Continue as new

    /// Ends this execution and begins the instance's next one with `input` and an empty history: how an orchestration
    /// that goes on without end keeps its history short.
    ///
    /// ```swift
    /// let monitor = Orchestration("Monitor") { (round: Int, context: OrchestrationContext) in
    ///     try await context.callActivity(check, round)
    ///     try await context.sleep(for: .seconds(3600))
    ///     try context.continueAsNew(round + 1)
    /// }
    /// ```
    ///
    /// External events that nobody has waited for, and those that arrive meanwhile, wait for the next execution (more
    /// than 16 MiB of them fail the instance, DTQ2007). The instance keeps its ID, parent, tags and custom status; its execution ID changes, and with it the series of
    /// UUIDs and random numbers. Activities, timers and sub-orchestrations whose results are still open are of no
    /// interest any more: their results are dropped, sub-orchestrations go on by themselves.
    ///
    /// It takes effect when the orchestration's code ends, which what it throws is to bring about. Code that catches
    /// that and returns continues as new all the same; code that throws something else fails.
    ///
    /// - Parameters:
    ///   - input: Of the orchestration's input type; otherwise the instance fails.
    ///   - version: Of the next execution; nil: as this one's.
    /// - Throws: `ContinuedAsNew`, always; or `PayloadError`.
    public func continueAsNew(_ input: some Encodable & Sendable, version: String? = nil) throws -> Never {
        guard runtime.mayAct("context.continueAsNew") else { throw OrchestrationInterrupted() }
        throw try runtime.continueAsNew(input, version: version)
    }

    /// Ends this execution and begins the next one of an orchestration that takes no input.
    ///
    /// - Throws: `ContinuedAsNew`, always.
    public func continueAsNew(version: String? = nil) throws -> Never {
        try continueAsNew(NoValue(), version: version)
    }

    /// Number of events in the history up to the one that this code was resumed by, the same on replay. A history grows
    /// with each call, and is read again where an instance is not in memory: past some thousands, continue as new.
    public var historyEventCount: Int {
        runtime.isInside("context.historyEventCount") ? runtime.feed.position : 0
    }
}
