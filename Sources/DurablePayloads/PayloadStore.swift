/// Keeps payloads that are too large for histories and messages, under keys: a folder that all workers share
/// (`FileSystemPayloadStore`), or an object store behind a type of yours.
///
/// A key has parts separated by `/`, each 1 to 200 of letters, digits, `.`, `_`, `~` and `-`. It names one content for
/// ever: writing it again writes the same bytes. What is read is checked against the size and SHA-256 that the history
/// holds. Payloads of one instance have a prefix of their own, so that they can be deleted with it.
public protocol PayloadStore: Sendable {
    /// Names the store in error texts: no credentials.
    var description: String { get }

    /// Keeps `content` so that it survives a crash of this machine, and whoever reads `key` afterwards finds it.
    ///
    /// - Throws: It may or may not be there now; the call is repeated, or the reference never written.
    func put(_ content: [UInt8], as key: String) async throws

    /// - Returns: nil when there is nothing under that key.
    func get(_ key: String) async throws -> [UInt8]?

    /// Deletes what is under the key `prefix`, and everything under keys that begin with `prefix` and `/`. It is no error
    /// when nothing is there.
    func removeAll(under prefix: String) async throws
}

/// A payload store cannot do what it was asked for. Its text names the key and the reason, no content.
public struct PayloadStoreError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
    /// For stores, to be thrown by what they do; no content, no credentials.
    public init(_ description: String) { self.description = description }
}
