/// A change of an instance's state that a caller asks for and waits for, with the types of its input and its result.
///
/// ```swift
/// let addItem = Update<Item, Money>("addItem")
/// ```
///
/// An orchestration takes it with `context.handle(addItem) { ... }`, a client asks with
/// `client.update(addItem, of: id, item)`. It runs once for each update ID, whatever crashes, and whoever asks again
/// under that ID gets the same answer.
public struct Update<Input: Codable & Sendable, Output: Codable & Sendable>: Sendable {
    /// Unique among the updates of an orchestration, and part of histories: do not rename what has run.
    public let name: String

    /// Names an update. The types may be given as arguments or on the left: `Update<Item, Money>("addItem")`.
    public init(_ name: String, input: Input.Type = Input.self, output: Output.Type = Output.self) { self.name = name }
}
