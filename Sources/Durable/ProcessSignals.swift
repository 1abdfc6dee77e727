import UnixSignals

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Ends a process in order at the first SIGTERM or SIGINT, at once (exit 75) at the second.
package enum ProcessSignals {
    /// Runs `body`; `stop` is called at the first signal and must make `body` return.
    package static func whileHandled<Result: Sendable>(
        stop: @escaping @Sendable () -> Void, _ body: @Sendable () async throws -> Result
    ) async throws -> Result {
        let watch = Task.detached {
            var count = 0
            for await _ in await UnixSignalsSequence(trapping: .sigterm, .sigint) {
                count += 1
                if count > 1 { exit(75) }
                stop()
            }
        }
        defer { watch.cancel() }
        return try await body()
    }
}
