package import DurableBackend
package import DurableCore

/// Why a processor ended before it was asked to.
package enum PartitionEnd: Error, Hashable, Sendable {
    /// A newer owner exists. Normal after a pause or a cut connection.
    case fenced(newest: Epoch)
    /// The owner's channel ended.
    case channel(TransportError)
    /// Log or store refuse to go on: DTQ1003 to DTQ1008.
    case storage(code: String, text: String)
    /// A record cannot be applied, or the hub is not what it should be.
    case corrupt(String)
}

extension PartitionEnd {
    init(_ error: LogError) {
        self =
            switch error {
            case .fenced(let newest): .fenced(newest: newest)
            case .full(let text): .storage(code: "DTQ1006", text: text)
            case .damaged(let text): .storage(code: "DTQ1005", text: text)
            case .unavailable(let text): .storage(code: "DTQ1008", text: text)
            }
    }

    package init(_ error: StoreError) {
        self =
            switch error {
            case .fenced(let newest): .fenced(newest: newest)
            case .full(let text): .storage(code: "DTQ1006", text: text)
            case .missing(let text): .storage(code: "DTQ1003", text: text)
            case .foreign(let text): .storage(code: "DTQ1004", text: text)
            case .damaged(let text): .storage(code: "DTQ1005", text: text)
            case .unavailable(let text): .storage(code: "DTQ1008", text: text)
            case .outOfStep(let actual):
                .storage(code: "DTQ1008", text: "the store stands at \(actual), another process filled it")
            }
    }
}
