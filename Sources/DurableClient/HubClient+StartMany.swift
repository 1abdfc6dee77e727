import DurableBackend
package import DurableCore
import DurableWire

/// What became of many starts. Without verdicts: an ID that was there already is refused later, by its owner.
package struct StartManyResult: Sendable {
    /// Starts the broker holds.
    package var acceptedCount = 0
    /// Position in the sequence, from 0, of those the broker did not confirm; they may have been accepted all the
    /// same. In order.
    package var unconfirmed: [Int] = []
    /// Requests taken from the sequence; nothing after them was read.
    package var takenCount = 0
    /// Why it ended early; nil: all were accepted.
    package var failure: (any Error)?
}

extension HubClient {
    /// Starts many instances, thousands a second: several messages a publish call, several calls under way.
    ///
    /// Stops taking from `messages` at the first failure and waits for what is under way.
    ///
    /// - Parameters:
    ///   - messages: Made with `message(for:)`, which checks them.
    ///   - onProgress: Called with the number accepted so far, after each publish call.
    /// - Throws: What `messages` throws; what was sent before is accepted or unknown then.
    package func startMany<Messages: AsyncSequence>(
        _ messages: Messages, onProgress: (Int) -> Void = { _ in }
    ) async throws -> StartManyResult where Messages.Element == Message {
        var result = StartManyResult()
        try await withThrowingTaskGroup(of: PublishedBatch.self) { group in
            var underWay = 0
            func finishOne() async throws {
                guard let batch = try await group.next() else { return }
                underWay -= 1
                result.take(batch)
                onProgress(result.acceptedCount)
            }
            var batch = OpenBatch(first: 0)
            var iterator = messages.makeAsyncIterator()
            while result.failure == nil, let message = try await iterator.next() {
                batch.append(
                    topology.controlMessage(
                        [message], to: partition(of: message.instanceID), through: .client, at: clock.now()))
                result.takenCount += 1
                guard batch.messages.count >= options.batchSize || batch.bytes >= OpenBatch.byteLimit else { continue }
                if underWay >= options.batchesInFlight { try await finishOne() }
                if result.failure != nil { break }
                group.addTask { [batch] in await self.publish(batch) }
                underWay += 1
                batch = OpenBatch(first: result.takenCount)
            }
            if result.failure == nil, !batch.messages.isEmpty {
                group.addTask { [batch] in await self.publish(batch) }
                underWay += 1
                batch.messages = []
            }
            while underWay > 0 { try await finishOne() }
            // Taken, never sent: a failure came first.
            result.unconfirmed += batch.positions
        }
        result.unconfirmed.sort()
        return result
    }

    private func publish(_ batch: OpenBatch) async -> PublishedBatch {
        do {
            try await publish(batch.messages, "cannot submit to hub \"\(hub)\"")
            return PublishedBatch(positions: batch.positions)
        } catch {
            return PublishedBatch(positions: batch.positions, failure: error)
        }
    }
}

private struct OpenBatch: Sendable {
    static let byteLimit = 1 << 20
    var first: Int
    var messages: [OutgoingMessage] = []
    var bytes = 0

    init(first: Int) { self.first = first }

    var positions: Range<Int> { first..<first + messages.count }

    mutating func append(_ message: OutgoingMessage) {
        messages.append(message)
        bytes += message.body.count
    }
}

private struct PublishedBatch: Sendable {
    var positions: Range<Int>
    var failure: (any Error)?
}

extension StartManyResult {
    fileprivate mutating func take(_ batch: PublishedBatch) {
        if let failure = batch.failure {
            unconfirmed += batch.positions
            self.failure = self.failure ?? failure
        } else {
            acceptedCount += batch.positions.count
        }
    }
}
