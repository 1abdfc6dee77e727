package import DurableCore

/// A named function that does work with side effects. It runs at least once for each request and its result is taken
/// once; it may read clocks, call services and block as it likes.
///
/// ```swift
/// let sayHello = Activity("SayHello") { (city: String, context: ActivityContext) async throws -> String in
///     "Hello, \(city)!"
/// }
/// ```
///
/// A value is all there is: what the function needs (a client, a pool) it captures, and an orchestration calls it by
/// the value, or by name where it has only that. Cancellation arrives as the cancellation of the surrounding task.
public struct Activity<Input: Codable & Sendable, Output: Codable & Sendable>: Sendable {
    /// Unique among the activities of a hub, and part of histories and queue names: do not rename what has run.
    public let name: String
    private let body: @Sendable (Input, ActivityContext) async throws -> Output

    /// Names a function.
    ///
    /// - Parameters:
    ///   - name: 1 to 128 bytes without control characters; a worker refuses to start with any other.
    ///   - body: Runs on any thread of the worker, beside other activities. What it throws reaches the orchestration as
    ///     an ``ActivityFailure``.
    public init(_ name: String, run body: @escaping @Sendable (Input, ActivityContext) async throws -> Output) {
        self.name = name
        self.body = body
    }

    /// Runs the function at once, as a test of it would.
    public func callAsFunction(_ input: Input, _ context: ActivityContext) async throws -> Output {
        try await body(input, context)
    }
}

extension Activity where Input == NoValue {
    /// Names a function that takes no input.
    public init(_ name: String, run body: @escaping @Sendable (ActivityContext) async throws -> Output) {
        self.init(name) { _, context in try await body(context) }
    }
}

extension Activity where Output == NoValue {
    /// Names a function that returns nothing.
    public init(_ name: String, run body: @escaping @Sendable (Input, ActivityContext) async throws -> Void) {
        self.init(name) { input, context in
            try await body(input, context)
            return NoValue()
        }
    }
}

extension Activity where Input == NoValue, Output == NoValue {
    /// Names a function that neither takes nor returns anything.
    public init(_ name: String, run body: @escaping @Sendable (ActivityContext) async throws -> Void) {
        self.init(name) { _, context in
            try await body(context)
            return NoValue()
        }
    }
}

/// An activity without its types, as the worker runs it.
package struct AnyActivity: Sendable {
    package let name: String
    private let body: @Sendable (Payload?, ActivityContext) async -> Result<Payload?, FailureDetails>

    package init<Input, Output>(_ activity: Activity<Input, Output>) {
        name = activity.name
        let name = activity.name
        body = { payload, context in
            do {
                let input = try PayloadCoding.decode(
                    Input.self, from: payload, as: #"the input of activity "\#(name)""#)
                let output = try await activity(input, context)
                return .success(try PayloadCoding.encode(output, as: #"the result of activity "\#(name)""#))
            } catch {
                return .failure(FailureDetails(describing: error))
            }
        }
    }

    /// Runs the activity once.
    ///
    /// - Returns: Its encoded result, or why it failed; an input that cannot be decoded is a failure that no retry
    ///   cures. Cancellation shows as whatever the function throws, most often an error of type `CancellationError`.
    package func run(input: Payload?, context: ActivityContext) async -> Result<Payload?, FailureDetails> {
        await body(input, context)
    }
}
