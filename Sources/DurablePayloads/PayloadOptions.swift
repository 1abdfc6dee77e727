/// How payloads are written and read: which codecs, and where large ones are kept. The same for the workers and clients
/// of a hub.
///
/// ```swift
/// let payloads = PayloadOptions(
///     codecs: [PayloadCompression(), PayloadEncryption(try PayloadKeys(file: "/run/secrets/dtq-keys"))],
///     store: FileSystemPayloadStore(directory: "/var/lib/dtq/payloads"))
/// await Worker.main(shipOrder, payloads: payloads)
/// ```
///
/// Payloads that were written without options, or with others, stay readable as long as their codecs and keys are here.
public struct PayloadOptions: Sendable {
    /// Applied in order when a payload is written, undone in reverse when it is read. Compression comes before
    /// encryption, since what is encrypted does not shrink.
    public var codecs: [any PayloadCodec]
    /// For reading alone: a codec that is to be introduced later, or is used no more. `PayloadCompression` need not be
    /// listed, every process reads it.
    public var readers: [any PayloadCodec]
    /// Where large payloads are kept; nil: they are refused (DTQ2007).
    public var store: (any PayloadStore)?
    /// Payloads with more bytes than this, after the codecs, go to the store; nil: none do, the store is for reading.
    public var storeThreshold: Int?
    /// Most bytes of a payload before the codecs, and after them when it is read: one that claims more is refused.
    public var sizeLimit: Int

    /// - Parameters:
    ///   - storeThreshold: In bytes; 128 KiB unless said otherwise.
    ///   - sizeLimit: In bytes; 64 MiB unless said otherwise. Without a store 1 MiB is the limit after the codecs.
    public init(
        codecs: [any PayloadCodec] = [], readers: [any PayloadCodec] = [], store: (any PayloadStore)? = nil,
        storeThreshold: Int? = 128 << 10, sizeLimit: Int = 64 << 20
    ) {
        self.codecs = codecs
        self.readers = readers
        self.store = store
        self.storeThreshold = storeThreshold
        self.sizeLimit = sizeLimit
    }
}
