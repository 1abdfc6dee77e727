import DurableCore

/// A named function that coordinates work and survives crashes: it is run again from its history, so it must decide
/// the same each time.
///
/// ```swift
/// let helloCities = Orchestration("HelloCities") {
///     (cities: [String], context: OrchestrationContext) async throws -> [String] in
///     var greetings: [String] = []
///     for city in cities { greetings.append(try await context.callActivity(sayHello, city)) }
///     return greetings
/// }
/// ```
///
/// Inside, `await` only what the context offers, in plain sequence, in `async let` and in task groups. Work with side
/// effects belongs in activities; time, UUIDs and random numbers come from the context. Do not iterate over a
/// `Dictionary` or `Set` to decide an order (it differs between processes), and do not use `Task {}`, `Task.sleep`,
/// actors shared with others or the main actor: the worker finds these and holds the instance.
public struct Orchestration<Input: Codable & Sendable, Output: Codable & Sendable>: Sendable {
    /// Unique among the orchestrations of a hub, and part of histories: do not rename what has run.
    public let name: String
    let body: @Sendable (Input, OrchestrationContext) async throws -> Output

    /// Names a function.
    ///
    /// - Parameters:
    ///   - name: 1 to 128 bytes without control characters; a worker refuses to start with any other.
    ///   - body: Run again from the history whenever the instance was not in memory. What it throws is the instance's
    ///     failure; `CancellationError` ends it as canceled.
    public init(_ name: String, run body: @escaping @Sendable (Input, OrchestrationContext) async throws -> Output) {
        self.name = name
        self.body = body
    }
}

extension Orchestration where Input == NoValue {
    /// Names a function that takes no input.
    public init(_ name: String, run body: @escaping @Sendable (OrchestrationContext) async throws -> Output) {
        self.init(name) { _, context in try await body(context) }
    }
}

extension Orchestration where Output == NoValue {
    /// Names a function that returns nothing.
    public init(_ name: String, run body: @escaping @Sendable (Input, OrchestrationContext) async throws -> Void) {
        self.init(name) { input, context in
            try await body(input, context)
            return NoValue()
        }
    }
}

extension Orchestration where Input == NoValue, Output == NoValue {
    /// Names a function that neither takes nor returns anything.
    public init(_ name: String, run body: @escaping @Sendable (OrchestrationContext) async throws -> Void) {
        self.init(name) { _, context in
            try await body(context)
            return NoValue()
        }
    }
}

/// How an orchestration's code ended.
enum OrchestrationEnd: Sendable {
    case completed(Payload?)
    case failed(FailureDetails)
    /// Threw `CancellationError`.
    case canceled(FailureDetails)
    /// Threw what `continueAsNew` throws.
    case continuedAsNew
}

/// An orchestration without its types, as the worker runs it.
package struct AnyOrchestration: Sendable {
    package let name: String
    /// Why a value cannot be its input; nil: it can.
    let inputDefect: @Sendable (any Encodable & Sendable) -> String?
    let run: @Sendable (Payload?, OrchestrationContext) async -> OrchestrationEnd

    package init<Input, Output>(_ orchestration: Orchestration<Input, Output>) {
        name = orchestration.name
        inputDefect = { $0 is Input ? nil : "expected \(Input.self), got \(type(of: $0))" }
        let name = orchestration.name
        run = { payload, context in
            do {
                let input = try PayloadCoding.decode(
                    Input.self, from: payload, as: #"the input of orchestration "\#(name)""#)
                let output = try await orchestration.body(input, context)
                return .completed(try PayloadCoding.encode(output, as: #"the output of orchestration "\#(name)""#))
            } catch is ContinuedAsNew {
                return .continuedAsNew
            } catch let error as CancellationError {
                return .canceled(FailureDetails(describing: error))
            } catch {
                return .failed(FailureDetails(describing: error))
            }
        }
    }
}
