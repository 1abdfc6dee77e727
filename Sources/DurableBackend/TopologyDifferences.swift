extension MessageTransport {
    /// What the broker has otherwise than `topology` says, one line each; empty when nothing differs.
    ///
    /// Reads without changing anything: what is missing stays missing, and declaring what is there in the same way is
    /// no change. Bindings cannot be seen through AMQP; `declare` puts missing ones back. Needs the right to configure
    /// the queues and exchanges, else the line says that they could not be compared.
    package func differences(from topology: TopologyFragment) async throws(TransportError) -> [String] {
        var lines: [String] = []
        for exchange in topology.exchanges {
            guard try await exchangeExists(exchange.name) else {
                lines.append("exchange '\(exchange.name)' (\(exchange.kind.rawValue)) is missing")
                continue
            }
            lines += try await refusal(of: "exchange '\(exchange.name)'", TopologyFragment(exchanges: [exchange]))
        }
        for queue in topology.queues {
            guard try await inspect(queue: queue.name) != nil else {
                lines.append(
                    "\(queue.kind == .stream ? "stream" : "queue") '\(queue.name)' (\(queue.kind.rawValue)) is missing")
                continue
            }
            lines += try await refusal(of: "queue '\(queue.name)'", TopologyFragment(queues: [queue]))
        }
        return lines
    }

    /// The broker's words when it does not take `fragment` as a description of what is there.
    private func refusal(of what: String, _ fragment: TopologyFragment) async throws(TransportError) -> [String] {
        do throws(TransportError) {
            try await declare(fragment)
            return []
        } catch {
            switch error {
            case .refused(code: 406, let text): return ["\(what) differs: \(text)"]
            case .refused(let code, let text): return ["\(what) could not be compared: \(code) \(text)"]
            default: throw error
            }
        }
    }
}
