/// A question to an instance by name, with the types of its input and its answer.
///
/// ```swift
/// let progress = Query<NoValue, Double>("progress")
/// ```
///
/// An orchestration answers it with `context.handle(progress) { ... }`, a client asks with
/// `client.query(progress, of: id)`. Asking changes nothing and leaves nothing in the history; an instance that has
/// ended can be asked too, as long as its history is there.
public struct Query<Input: Codable & Sendable, Output: Codable & Sendable>: Sendable {
    /// Unique among the queries of an orchestration.
    public let name: String

    /// Names a query. The types may be given as arguments or on the left: `Query<NoValue, Double>("progress")`.
    public init(_ name: String, input: Input.Type = Input.self, output: Output.Type = Output.self) { self.name = name }
}
