internal import DurableCore

/// What an adapter's I/O thread hands over and one task reads: batches of deliveries, first in first out.
///
/// `push` and `finish` may come from any thread. Memory is bounded by the consumers' prefetch.
package final class DeliverySequence: AsyncSequence, Sendable {
    package typealias Element = [Delivery]
    package typealias Failure = TransportError

    private struct State {
        var buffer: [Delivery] = []
        var end: Result<Void, TransportError>?
        var reader: UnsafeContinuation<Void, Never>?
    }

    private let maximumBatch: Int
    private let state = PlatformLock(State())

    /// - Parameter maximumBatch: Most deliveries in one element, 1 or more.
    package init(maximumBatch: Int = 512) {
        precondition(maximumBatch > 0, "a batch holds at least one delivery")
        self.maximumBatch = maximumBatch
    }

    package func push(_ deliveries: [Delivery]) {
        let reader = state.withLock { state -> UnsafeContinuation<Void, Never>? in
            guard state.end == nil else { return nil }
            state.buffer.append(contentsOf: deliveries)
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume()
    }

    /// Ends the sequence: normally, or with what the reader shall throw once it has read what is buffered.
    /// The first call decides; what is pushed later is dropped.
    package func finish(throwing error: TransportError? = nil) {
        let reader = state.withLock { state -> UnsafeContinuation<Void, Never>? in
            guard state.end == nil else { return nil }
            state.end = error.map(Result.failure) ?? .success(())
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume()
    }

    package func makeAsyncIterator() -> Iterator { Iterator(sequence: self) }

    package struct Iterator: AsyncIteratorProtocol {
        fileprivate let sequence: DeliverySequence

        package mutating func next() async throws(TransportError) -> [Delivery]? { try await sequence.nextBatch() }

        package mutating func next(isolation actor: isolated (any Actor)?) async throws(TransportError) -> [Delivery]? {
            try await sequence.nextBatch()
        }
    }

    private enum Step { case batch([Delivery]), end(Result<Void, TransportError>), wait }

    private func nextBatch() async throws(TransportError) -> [Delivery]? {
        while true {
            let step = state.withLock { state -> Step in
                if !state.buffer.isEmpty {
                    if state.buffer.count <= maximumBatch {
                        defer { state.buffer = [] }
                        return .batch(state.buffer)
                    }
                    let batch = Array(state.buffer.prefix(maximumBatch))
                    state.buffer.removeFirst(maximumBatch)
                    return .batch(batch)
                }
                if let end = state.end { return .end(end) }
                return .wait
            }
            switch step {
            case .batch(let batch): return batch
            case .end(let end):
                try end.get()
                return nil
            case .wait:
                if Task.isCancelled { return nil }
                await waitForPush()
            }
        }
    }

    private func waitForPush() async {
        await withTaskCancellationHandler {
            await withUnsafeContinuation { (reader: UnsafeContinuation<Void, Never>) in
                let mustWait = state.withLock { state in
                    precondition(state.reader == nil, "a delivery sequence has one reader")
                    if !state.buffer.isEmpty || state.end != nil || Task.isCancelled { return false }
                    state.reader = reader
                    return true
                }
                if !mustWait { reader.resume() }
            }
        } onCancel: {
            let reader = state.withLock { state -> UnsafeContinuation<Void, Never>? in
                defer { state.reader = nil }
                return state.reader
            }
            reader?.resume()
        }
    }
}
