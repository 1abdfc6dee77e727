package import DurableBackend

extension HubClient {
    /// Looks at dead letters without removing them, oldest first.
    ///
    /// - Parameter limit: 1 or more.
    /// - Returns: At most `limit` of them, and how many there are.
    package func deadLetters(limit: Int) async throws -> (letters: [Delivery], total: Int) {
        let queue = topology.name(.dead)
        do throws(TransportError) {
            let total = try await transport.inspect(queue: queue)?.readyMessages ?? 0
            let letters = total == 0 ? [] : try await transport.get(queue: queue, count: limit, peek: true)
            return (letters, max(total, letters.count))
        } catch {
            throw ClientError.wrapping(error, "cannot look at the dead letters of hub \"\(hub)\"")
        }
    }
}
