/// One thing the broker has otherwise than it should.
package struct TopologyDifference: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable {
        case missing
        /// It is there with other properties.
        case differs
        /// This broker user may not compare it.
        case unknown
    }
    package var kind: Kind
    /// One line, with the name and, where it said something, the broker's own words.
    package var text: String
    package init(_ kind: Kind, _ text: String) {
        self.kind = kind
        self.text = text
    }
}

extension MessageTransport {
    /// What the broker has otherwise than `topology` says; empty when nothing differs.
    ///
    /// Reads without changing anything: what is missing stays missing, and declaring what is there in the same way is
    /// no change. Bindings cannot be seen through AMQP; `declare` puts missing ones back. Needs the right to configure
    /// the queues and exchanges, else the line says that they could not be compared.
    package func differences(from topology: TopologyFragment) async throws(TransportError) -> [TopologyDifference] {
        var lines: [TopologyDifference] = []
        for exchange in topology.exchanges {
            guard try await exchangeExists(exchange.name) else {
                lines.append(.init(.missing, "exchange '\(exchange.name)' (\(exchange.kind.rawValue)) is missing"))
                continue
            }
            lines += try await refusal(of: "exchange '\(exchange.name)'", TopologyFragment(exchanges: [exchange]))
        }
        for queue in topology.queues {
            guard try await inspect(queue: queue.name) != nil else {
                let what = queue.kind == .stream ? "stream" : "queue"
                lines.append(.init(.missing, "\(what) '\(queue.name)' (\(queue.kind.rawValue)) is missing"))
                continue
            }
            lines += try await refusal(of: "queue '\(queue.name)'", TopologyFragment(queues: [queue]))
        }
        return lines
    }

    /// The broker's words when it does not take `fragment` as a description of what is there.
    private func refusal(
        of what: String, _ fragment: TopologyFragment
    ) async throws(TransportError) -> [TopologyDifference] {
        do throws(TransportError) {
            try await declare(fragment)
            return []
        } catch {
            switch error {
            case .refused(code: 406, let text): return [.init(.differs, "\(what) differs: \(text)")]
            case .refused(let code, let text):
                return [.init(.unknown, "\(what) could not be compared: \(code) \(text)")]
            default: throw error
            }
        }
    }
}
