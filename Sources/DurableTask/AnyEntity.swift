package import DurableCore

/// The entities of one name, as the worker runs them.
package struct AnyEntity: Sendable {
    package let name: String
    let stateType: ObjectIdentifier
    private(set) var operations: [String: AnyEntityOperation] = [:]

    init(_ first: AnyEntityOperation) {
        name = first.entityName
        stateType = first.stateType
    }

    mutating func add(_ operation: AnyEntityOperation) { operations[operation.name] = operation }

    /// In order.
    package var operationNames: [String] { operations.keys.sorted() }

    /// Performs one operation.
    ///
    /// - Parameter state: nil: the entity has none.
    package func perform(
        _ operation: EntityTurn.Operation, on id: EntityID, state: Payload?, at now: Timestamp
    ) -> EntityOutcome {
        let name = operation.name
        guard let known = operations[name] else {
            // Every entity has it, whatever its state is like.
            if name == deletionName { return EntityOutcome(state: nil, result: .completed(nil)) }
            let names = operationNames.map { "\"\($0)\"" }.joined(separator: ", ")
            return EntityOutcome(
                state: state,
                result: .failed(
                    FailureDetails(
                        errorType: "UnknownOperation",
                        message:
                            "DTQ2025 entity \"\(self.name)\" has no operation \"\(name)\" on this worker; it has \(names). "
                            + "See ops/errors/DTQ2025.md",
                        isNonRetryable: true)))
        }
        let context = EntityContext(id: id, now: now, requestID: operation.requestID)
        do {
            let (after, output) = try known.perform(state, operation.input, context)
            if let failure = context.failure { throw failure }
            return EntityOutcome(
                state: context.isStateRemoved ? nil : after, result: .completed(output), sent: context.sent)
        } catch {
            return EntityOutcome(state: state, result: .failed(FailureDetails(describing: error)))
        }
    }
}

/// An operation without its types.
struct AnyEntityOperation: Sendable {
    let entityName: String
    let name: String
    let stateType: ObjectIdentifier
    /// Gives the state afterwards, encoded, and the result.
    let perform: @Sendable (Payload?, Payload?, EntityContext) throws -> (state: Payload?, output: Payload?)

    init<State, Input, Output>(_ operation: EntityOperation<State, Input, Output>) {
        let (entity, name, body) = (operation.entity, operation.name, operation.body)
        entityName = entity.name
        self.name = name
        stateType = ObjectIdentifier(State.self)
        perform = { state, input, context in
            let subject = "operation \"\(name)\" of \(context.id)"
            let input = try PayloadCoding.decode(Input.self, from: input, as: "the input of \(subject)")
            var value =
                try state.map { try PayloadCoding.decode(State.self, from: $0, as: "the state of \(context.id)") }
                ?? entity.initial()
            let output = try body(&value, input, context)
            return (
                // A state that is `NoValue` is there all the same.
                try PayloadCoding.encode(value, as: "the state of \(context.id) after \(subject)") ?? Payload("null"),
                try PayloadCoding.encode(output, as: "the result of \(subject)")
            )
        }
    }
}
