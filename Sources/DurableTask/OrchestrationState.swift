/// State of one orchestration that its function and its handlers share.
///
/// ```swift
/// let order = context.state(Order())
/// context.handle(addItem) { item in order.items.append(item) }
/// try await context.wait { order.isPaid }
/// ```
///
/// All code of an instance runs on one queue, one step after the other: between two awaits nobody else touches the state.
/// Across an await others may, so what was read before has to be read again. Nothing is stored: replay builds it anew.
/// Handlers of queries, validators and conditions may read it; where they change it the change is dropped, and whoever
/// asked gets an error.
@dynamicMemberLookup
public final class OrchestrationState<Value: Sendable>: @unchecked Sendable {  // on the executor's owner thread
    private let runtime: OrchestratorRuntime
    private let initial: Value
    private var stored: Value

    init(_ initial: Value, _ runtime: OrchestratorRuntime) {
        self.runtime = runtime
        self.initial = initial
        stored = initial
    }

    /// A copy; set as a whole. Of another thread than the instance's it is what it was at first, and the instance is held
    /// (DTQ2002).
    public var value: Value {
        get { runtime.isInside("a state's value") ? stored : initial }
        set { if runtime.mayChange("a state") { stored = newValue } }
    }

    /// Reads a part of the value, or changes it.
    public subscript<Part>(dynamicMember path: WritableKeyPath<Value, Part>) -> Part {
        get { value[keyPath: path] }
        set { if runtime.mayChange("a state") { stored[keyPath: path] = newValue } }
    }

    /// Reads a part of the value.
    public subscript<Part>(dynamicMember path: KeyPath<Value, Part>) -> Part { value[keyPath: path] }

    /// Changes the value where it is, without a copy of it.
    public func modify<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        if runtime.mayChange("a state") { return try body(&stored) }
        var copy = value
        return try body(&copy)
    }
}

extension OrchestrationContext {
    /// Makes state that this orchestration's function shares with its handlers.
    public func state<Value: Sendable>(_ initial: Value) -> OrchestrationState<Value> {
        OrchestrationState(initial, runtime)
    }
}
