/// Input of what takes none, output of what returns none. Written for you: an `Activity` or `Orchestration` whose
/// function has no input, or returns nothing, gets this as its type.
public struct NoValue: Codable, Hashable, Sendable {
    /// The only value; it is no payload at all on the wire.
    public init() {}
}
