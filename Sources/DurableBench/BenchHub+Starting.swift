import DurableClient
import DurableCore
import DurableTask

extension BenchHub {
    /// Submits `count` instances, all at once.
    func start(
        _ kind: BenchKind, _ count: Int, prefix: String, input: @escaping (Int) -> Payload
    ) async throws {
        let starts = Starts(count: count) { index in
            try client.message(
                for: StartRequest(name: kind.rawValue, id: InstanceID(prefix + String(index)), input: input(index)))
        }
        let result = try await client.startMany(starts)
        if let failure = result.failure { throw failure }
    }
}

/// Starts made one by one as they are sent.
private struct Starts: AsyncSequence {
    var count: Int
    var make: (Int) throws -> Message

    struct AsyncIterator: AsyncIteratorProtocol {
        var starts: Starts
        var index = 0

        mutating func next() async throws -> Message? {
            guard index < starts.count else { return nil }
            defer { index += 1 }
            return try starts.make(index)
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(starts: self) }
}
