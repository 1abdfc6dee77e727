import DurableCore

extension OrchestrationContext {
    // MARK: Queries

    /// Answers a query from now on, also once the orchestration has ended.
    ///
    /// ```swift
    /// let order = context.state(Order())
    /// context.handle(progress) { order.value.progress }
    /// ```
    ///
    /// - Parameter answer: Looks at the state and changes nothing: it may read the context's identity, time and logger
    ///   and use no other part of it. What it throws the caller gets. Registering a name again replaces its handler.
    public func handle<Input, Output>(
        _ query: Query<Input, Output>, _ answer: @escaping @Sendable (Input) throws -> Output
    ) {
        guard runtime.mayAct("context.handle") else { return }
        let name = query.name
        runtime.handlers.queries[name] = { payload in
            let input = try PayloadCoding.decode(Input.self, from: payload, as: "the input of query \"\(name)\"")
            return try PayloadCoding.encode(answer(input), as: "the answer of query \"\(name)\"")
        }
    }

    /// Answers a query that takes no input from now on.
    public func handle<Output>(_ query: Query<NoValue, Output>, _ answer: @escaping @Sendable () throws -> Output) {
        handle(query) { _ in try answer() }
    }

    // MARK: Updates

    /// Takes an update from now on. Those that came before wait for this.
    ///
    /// ```swift
    /// context.handle(addItem, validate: { item in
    ///     guard item.count > 0 else { throw NoSuchCount(item.count) }
    /// }) { item in
    ///     let price = try await context.callActivity(findPrice, item)
    ///     order.items.append(item)
    ///     return price
    /// }
    /// ```
    ///
    /// - Parameters:
    ///   - validate: Asked before the update is in the history, when all that came before has been handled. What it
    ///     throws refuses the update, and is told the caller. Looks at the state and changes nothing, as the handler of a
    ///     query.
    ///   - handler: Runs beside the orchestration's own code, as its child tasks do: where one awaits, others go on, in
    ///     an order that replay repeats. May await all that the context offers, but not continue as new. What it throws
    ///     fails the update, not the instance. Registering a name again replaces handlers that have not begun.
    ///
    /// An instance that ends, or continues as new, takes no notice of handlers that run: their callers get an error.
    /// `waitForHandlers()` before that lets them finish.
    public func handle<Input, Output>(
        _ update: Update<Input, Output>, validate: (@Sendable (Input) throws -> Void)? = nil,
        _ handler: @escaping @Sendable (Input) async throws -> Output
    ) {
        guard runtime.mayAct("context.handle") else { return }
        let name = update.name
        @Sendable func input(_ payload: Payload?) throws -> Input {
            try PayloadCoding.decode(Input.self, from: payload, as: "the input of update \"\(name)\"")
        }
        runtime.handlers.updates[name] = UpdateHandler(
            validate: { payload in
                // Whether it can be decoded is part of whether it is valid.
                let input = try input(payload)
                try validate?(input)
            },
            run: { payload in
                let output = try await handler(input(payload))
                return { () throws(PayloadError) in
                    try PayloadCoding.encode(output, as: "the result of update \"\(name)\"")
                }
            })
    }

    /// Takes an update that returns nothing.
    public func handle<Input>(
        _ update: Update<Input, NoValue>, validate: (@Sendable (Input) throws -> Void)? = nil,
        _ handler: @escaping @Sendable (Input) async throws -> Void
    ) {
        handle(update, validate: validate) { input in
            try await handler(input)
            return NoValue()
        }
    }

    /// Takes an update that has no input.
    public func handle<Output>(
        _ update: Update<NoValue, Output>, validate: (@Sendable () throws -> Void)? = nil,
        _ handler: @escaping @Sendable () async throws -> Output
    ) {
        let validation = validate.map { validate in { @Sendable (_: NoValue) in try validate() } }
        handle(update, validate: validation) { _ in try await handler() }
    }

    /// Takes an update that neither has an input nor returns anything.
    public func handle(
        _ update: Update<NoValue, NoValue>, validate: (@Sendable () throws -> Void)? = nil,
        _ handler: @escaping @Sendable () async throws -> Void
    ) {
        let validation = validate.map { validate in { @Sendable (_: NoValue) in try validate() } }
        handle(update, validate: validation) { (_: NoValue) in
            try await handler()
            return NoValue()
        }
    }

    /// Waits until no handler of an update runs: to be awaited before the orchestration returns or continues as new, or
    /// callers of those that run get an error.
    ///
    /// - Throws: `CancellationError`.
    public func waitForHandlers() async throws {
        let runtime = runtime
        try await wait { runtime.handlers.runningCount == 0 }
    }
}
