import DurableCore

extension OrchestrationContext {
    // MARK: Changing code

    /// Whether this execution goes the new way of a change of the code: true where the place is reached for the first
    /// time by code that has this call, false where the execution passed it before that code came.
    ///
    /// ```swift
    /// if context.isPatched("reserve first") {
    ///     try await context.callActivity(reserve, order)
    ///     try await context.callActivity(charge, order)
    /// } else {
    ///     try await context.callActivity(charge, order)
    ///     try await context.callActivity(reserve, order)
    /// }
    /// ```
    ///
    /// The first answer for an ID holds for the whole execution, in each place, on replay, and on every worker; true is
    /// recorded in the history (`PatchRecorded`). The next execution after `continueAsNew` asks anew. Workers without
    /// the call hold an instance that has recorded it (DTQ2003) until one with it comes.
    ///
    /// When no execution that went the old way is open any more, leave out that way and put `deprecatePatch` in place of
    /// the question.
    ///
    /// - Parameter id: Names one change of this orchestration, and no later one again: 1 to 128 bytes without control
    ///   characters; with another one the instance fails.
    public func isPatched(_ id: String) -> Bool {
        guard runtime.mayAct("context.isPatched"), isUsable(id) else { return false }
        return runtime.isPatched(id, isDeprecated: false)
    }

    /// Stands where `isPatched` stood, once the code has no other way than the new one.
    ///
    /// Replay goes on over histories in which that patch is recorded, and over those that passed here without it. What
    /// comes here for the first time is recorded in a way that lets this call be removed too, when no execution is open
    /// any more that `isPatched` was asked in; workers that still ask `isPatched` find it patched.
    ///
    /// - Parameter id: As for `isPatched`.
    public func deprecatePatch(_ id: String) {
        guard runtime.mayAct("context.deprecatePatch"), isUsable(id) else { return }
        _ = runtime.isPatched(id, isDeprecated: true)
    }

    private func isUsable(_ id: String) -> Bool {
        if !id.isEmpty, id.utf8.count <= 128, !id.unicodeScalars.contains(where: \.isControl) { return true }
        let shown = id.unicodeScalars.prefix(32).map { $0.isControl ? "?" : String($0) }.joined()
        runtime.fail(
            InvalidPatchID(
                description: "\"\(shown)\"\(shown.utf8.count < id.utf8.count ? " ..." : "") cannot name a patch: "
                    + "an ID has 1 to 128 bytes and no control characters"))
        return false
    }
}

/// A patch's ID that cannot be used: empty, longer than 128 bytes, or with control characters. The instance fails.
public struct InvalidPatchID: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
}
