package import DurableClient
package import DurableCore
package import Foundation

/// Keeps a hub under load: submits instances of `examples/ledger` until it is stopped, and remembers those the broker
/// took. A submission whose fate is unknown is made again under the same ID until it is accepted.
package actor Feeder {
    private let client: HubClient
    private let ledger: URL
    /// Instances a second.
    private let rate: Int
    private let steps = 4
    private var isStopping = false
    package private(set) var accepted: [InstanceID] = []
    package private(set) var lastAcceptance: Timestamp?

    /// Work under way at which nothing more is submitted until some is done.
    private static let outstandingLimit = 600

    package init(client: HubClient, ledger: URL, rate: Int) {
        self.client = client
        self.ledger = ledger
        self.rate = rate
    }

    package var stepsPerInstance: Int { steps }

    package func stop() { isStopping = true }

    /// Runs until `stop()`.
    package func run() async throws {
        let batch = max(1, rate / 4)
        while !isStopping {
            let started = ContinuousClock.now
            // Few enough to read it all: a run has a thousand or so.
            if accepted.count * steps - LedgerRun.ended(in: ledger).count < Self.outstandingLimit {
                try await submit(batch)
            }
            try await Task.sleep(until: started + .milliseconds(250), clock: .continuous)
        }
    }

    private func submit(_ count: Int) async throws {
        let kinds = ["LedgerSequence", "LedgerFanOut", "LedgerPaced"]
        var requests = (accepted.count..<accepted.count + count).map { number in
            StartRequest(
                name: kinds[number % kinds.count], id: InstanceID("job-\(number)"),
                input: Payload(
                    Array(
                        #"{"file":"\#(ledger.path)","steps":\#(steps),"milliseconds":\#(20 + number % 60)}"#.utf8)))
        }
        while !requests.isEmpty {
            let messages = try requests.map { try client.message(for: $0) }
            let result = try await client.startMany(
                AsyncStream { continuation in
                    for message in messages { continuation.yield(message) }
                    continuation.finish()
                })
            let missing = result.unconfirmed + (result.takenCount..<requests.count)
            let left = missing.map { requests[$0] }
            let leftIDs = Set(left.map(\.id))
            accepted += requests.filter { !leftIDs.contains($0.id) }.compactMap(\.id)
            if left.count < requests.count { lastAcceptance = .now }
            requests = left
            if !left.isEmpty { try await Task.sleep(for: .milliseconds(200)) }
        }
    }
}

extension Timestamp {
    package static var now: Timestamp {
        Timestamp(millisecondsSinceEpoch: Int64(Date().timeIntervalSince1970 * 1000))
    }
}
