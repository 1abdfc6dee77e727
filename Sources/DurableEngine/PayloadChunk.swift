package import DurableCore

/// Stored payloads that replay is given at a time: no more than fit into memory together, one at least.
package struct PayloadChunk {
    private static var limit: (bytes: Int, count: Int) { (16 << 20, 64) }

    private var bytes = 0
    private var count = 0

    package init() {}

    /// - Returns: false when there is no room for it: it belongs to the next chunk.
    package mutating func add(_ reference: StoredPayload) -> Bool {
        if count > 0, bytes + reference.size > Self.limit.bytes || count == Self.limit.count { return false }
        bytes += reference.size
        count += 1
        return true
    }
}
