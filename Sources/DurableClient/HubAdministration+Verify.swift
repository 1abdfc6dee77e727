import DurableBackend
import DurableCore

extension HubAdministration {
    /// Compares what the broker holds with what this hub must have, without changing anything.
    ///
    /// Bindings cannot be read through AMQP: `create` declares them again.
    ///
    /// - Returns: One line a difference, in the order of the topology; empty when all is as it should be.
    /// - Throws: `ClientError` DTQ1001 when there is no such hub.
    package func verify() async throws -> [String] {
        let everything = try await descriptor().topology.everything
        var differences: [String] = []
        do throws(TransportError) {
            for exchange in everything.exchanges {
                if try await !transport.exchangeExists(exchange.name) {
                    differences.append("\(exchange.kind.rawValue) exchange \(exchange.name) is missing")
                } else if let text = try await refusal(of: TopologyFragment(exchanges: [exchange])) {
                    differences.append("exchange \(exchange.name) is not as it should be: \(text)")
                }
            }
            for queue in everything.queues {
                let kind = queue.kind == .stream ? "stream" : "\(queue.kind.rawValue) queue"
                if try await transport.inspect(queue: queue.name) == nil {
                    differences.append("\(kind) \(queue.name) is missing")
                } else if let text = try await refusal(of: TopologyFragment(queues: [queue])) {
                    differences.append("\(kind) \(queue.name) is not as it should be: \(text)")
                }
            }
        } catch {
            throw ClientError.wrapping(error, "cannot verify hub \"\(hub)\"")
        }
        return differences
    }

    /// Declares again what is there: a broker says in its refusal which property differs, and changes nothing.
    private func refusal(of existing: TopologyFragment) async throws(TransportError) -> String? {
        do throws(TransportError) {
            try await transport.declare(existing)
            return nil
        } catch {
            if case .refused(_, let text) = error { return text }
            throw error
        }
    }
}
