extension OrchestrationContext {
    // MARK: Conditions

    /// Waits until `condition` holds, such as one of the state that handlers change.
    ///
    /// ```swift
    /// try await context.wait { order.isPaid }
    /// ```
    ///
    /// - Parameter condition: Looks at state of this orchestration and changes nothing. Asked at once, and then each
    ///   time after something has happened to the instance and all of its code waits again.
    /// - Throws: `CancellationError`.
    public func wait(until condition: @escaping @Sendable () -> Bool) async throws {
        try await runtime.admit("context.wait")
        try await runtime.wait(until: condition)
    }

    /// Waits until `condition` holds, but not longer than `timeout`.
    ///
    /// - Returns: Whether the condition holds; false: the time was over first.
    /// - Throws: `CancellationError`.
    public func wait(timeout: Duration, until condition: @escaping @Sendable () -> Bool) async throws -> Bool {
        try await runtime.admit("context.wait")
        if runtime.holds(condition) { return true }
        let context = self
        return try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await context.wait(until: condition)
                return true
            }
            group.addTask {
                try await context.sleep(for: timeout)
                return false
            }
            defer { group.cancelAll() }
            return try await group.next() ?? false
        }
    }
}
