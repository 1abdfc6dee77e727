public import DurableCore
public import FoundationEssentials
public import Logging

/// What an orchestration sees of the world: its identity, recorded time and randomness, and everything it may await.
///
/// Use it from the orchestration's own tasks only: the function itself, `async let` and task groups.
///
/// Where tasks are cancelled (a group's `cancelAll`, a scope that ends), the calls they wait for throw
/// `CancellationError`: open timers are dropped, running activities and sub-orchestrations are cancelled, and those that
/// have not begun are not. An instance that is cancelled from outside (`dtq cancel`) has its whole function cancelled.
public struct OrchestrationContext: Sendable {
    let runtime: OrchestratorRuntime

    // MARK: Identity

    /// The same in every execution.
    public var instanceID: InstanceID { runtime.instanceID }
    /// Of this execution: another one begins with each `continueAsNew`.
    public var executionID: ExecutionID { runtime.executionID }
    /// The orchestration's name.
    public var name: String { runtime.orchestrationName }
    /// The version the instance was started with.
    public var version: String? { runtime.version }

    /// What the instance was tagged with when it was started.
    public var tags: [String: String] { runtime.isInside("context.tags") ? runtime.tags : [:] }

    // MARK: Recorded values

    /// The time of this episode: recorded, and the same on replay. Stands still between two awaits.
    public var now: Timestamp {
        runtime.isInside("context.now") ? runtime.now : Timestamp(millisecondsSinceEpoch: 0)
    }

    /// A UUID that replay gives again: version 8, derived from instance ID, execution ID and a counter.
    public func newUUID() -> UUID {
        guard runtime.isInside("context.newUUID") else { return UUID() }
        return runtime.draw { $0.nextUUID() }
    }

    /// Random numbers that replay gives again. All of one instance come from one series, in order of use.
    ///
    /// ```swift
    /// let pause = Int.random(in: 1...60, using: &context.randomNumberGenerator)
    /// ```
    public var randomNumberGenerator: OrchestrationRandomNumberGenerator {
        get { OrchestrationRandomNumberGenerator(runtime: runtime) }
        // Has no state of its own to put back; settable only so that it can be passed with `&`.
        nonmutating set {}
    }

    /// True while recorded history is run again. To suppress repeated side effects such as log lines only; never decide
    /// anything by it.
    public var isReplaying: Bool {
        runtime.isInside("context.isReplaying") && runtime.mode.isReplaying
    }

    /// Logs each line once: says nothing on replay. Carries instance ID and name.
    public var logger: Logger {
        runtime.isInside("context.logger") ? runtime.logger : Logger(label: "dtq.orchestration")
    }

    /// Shows `status` to whoever asks for the instance; the last one of an episode counts.
    public func setCustomStatus(_ status: some Encodable) {
        guard runtime.mayAct("context.setCustomStatus") else { return }
        do {
            runtime.setCustomStatus(try runtime.encodeUnlessReplaying(status, as: "the custom status"))
        } catch {
            // Noted in the runtime: the instance fails.
        }
    }
}

/// Draws from the series of its instance. See `OrchestrationContext.randomNumberGenerator`.
public struct OrchestrationRandomNumberGenerator: RandomNumberGenerator, Sendable {
    let runtime: OrchestratorRuntime

    public mutating func next() -> UInt64 {
        guard runtime.isInside("context.randomNumberGenerator") else { return UInt64.random(in: 0 ... .max) }
        return runtime.draw { $0.nextRandom() }
    }
}
