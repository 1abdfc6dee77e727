internal import DurableBackend
internal import DurableCore

extension StoreRule {
    private static func sent(_ id: UInt64, to destination: Int, bytes: Int = 8) -> SentMessage {
        SentMessage(
            place: SentPlace(destination: PartitionID(destination), sequence: id),
            entry: SampleRecords.outboxMessage(id, payloadBytes: bytes))
    }

    static func sentMessagesAreKeptUntilDelivered(_ fixture: StoreFixture) async throws {
        try await fixture.flush { flush in
            flush.outboxAdded = [SampleRecords.outboxMessage(1), SampleRecords.outboxMessage(2)]
            flush.nextOutboxID = OutboxID(3)
        }
        // 1 is confirmed now, 3 was confirmed before a flush saw it.
        try await fixture.flush { flush in
            flush.outboxRemoved = [OutboxID(1), OutboxID(3)]
            flush.sent = [sent(1, to: 2), sent(3, to: 1), sent(4, to: 2)]
            flush.nextOutboxID = OutboxID(5)
        }
        let state = try fixture.store.recover().state
        try StorageCheck.equal(state.pendingOutbox, [SampleRecords.outboxMessage(2)], "unconfirmed messages")
        func kept() throws -> [SentMessage] { try fixture.store.sent(after: nil, byteLimit: .max) }
        try StorageCheck.equal(try kept(), [sent(3, to: 1), sent(1, to: 2), sent(4, to: 2)], "sent messages")
        try await fixture.flush { $0.delivered = [PartitionID(2): 3, PartitionID(7): 9] }
        try StorageCheck.equal(try kept(), [sent(3, to: 1), sent(4, to: 2)], "after a part was applied")
        try await fixture.flush { $0.delivered = [PartitionID(2): 4, PartitionID(1): 3, PartitionID(7): 9] }
        try StorageCheck.equal(try kept(), [], "after all was applied")
    }

    static func sentMessagesAreOrderedAndPaged(_ fixture: StoreFixture) async throws {
        let all = [1, 2, 3, 300].flatMap { id in [0, 1, 255].map { sent(id, to: $0, bytes: 1000) } }
        try await fixture.flush { $0.sent = all }
        let expected = all.sorted { $0.place < $1.place }
        try StorageCheck.equal(try fixture.store.sent(after: nil, byteLimit: .max), expected, "all at once")
        try StorageCheck.equal(try fixture.store.sent(after: nil, byteLimit: 0), [expected[0]], "a page of no bytes")
        for limit in [1, 1500, 2500] {
            var (found, pageCount) = ([SentMessage](), 0)
            while true {
                let page = try fixture.store.sent(after: found.last?.place, byteLimit: limit)
                if page.isEmpty { break }
                found += page
                pageCount += 1
            }
            try StorageCheck.equal(found, expected, "all pages of \(limit) bytes")
            try StorageCheck.that(pageCount > 3, "\(pageCount) pages of \(limit) bytes")
        }
    }
}
