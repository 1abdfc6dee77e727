import DurableBackend
import DurableConformance
import DurableCore
import DurableSQLite
import Foundation
import GRDB
import Testing

@Suite("Several owners of one file", .timeLimit(.minutes(10))) struct OwnersTests {
    @Test("Whatever owners interleave, each record belongs to the epoch that was newest when it was written")
    func zombies() async throws {
        let hub = try TemporaryHub()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 1...4 {
                group.addTask {
                    let opened = try hub.storage.open(PartitionID(0))
                    defer { opened.store.close() }
                    for round in 0..<8 {
                        // Owners begin in an order nobody controls; those that come too late are refused.
                        let epoch = SampleRecords.epoch(UInt64(round * 4 + number))
                        do {
                            _ = try await opened.log.begin(SampleRecords.begin(epoch))
                            for _ in 0..<10 { _ = try await opened.log.append(SampleRecords.records(3), epoch: epoch) }
                            let position = try opened.store.recover().position
                            let end = try await opened.log.append(SampleRecords.records(1), epoch: epoch)
                            try opened.store.flush(
                                StoreFlush(previous: position, position: LogPosition(end.value - 2), epoch: epoch))
                        } catch LogError.fenced {
                            continue
                        } catch StoreError.fenced {
                            continue
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        let opened = try hub.storage.open(PartitionID(0))
        defer { opened.store.close() }
        let recovery = try opened.store.recover()
        let entries = try await opened.log.read(after: recovery.position, limit: 10_000)
        #expect(!entries.isEmpty)
        #expect(entries.map(\.epoch) == entries.map(\.epoch).sorted(), "records of an older epoch after a newer one's")
        for (previous, entry) in zip(entries, entries.dropFirst()) where previous.epoch != entry.epoch {
            #expect(entry.record == .begin(SampleRecords.begin(entry.epoch)))
        }
    }

    @Test("An owner that dies within a write leaves nothing of it")
    func abandonedTransaction() async throws {
        let hub = try TemporaryHub()
        let epoch = SampleRecords.epoch(1)
        let opened = try hub.storage.open(PartitionID(0))
        defer { opened.store.close() }
        _ = try await opened.log.begin(SampleRecords.begin(epoch))
        do {
            let dying = try DatabaseQueue(path: hub.path(0))
            try await dying.writeWithoutTransaction { database in
                try database.execute(sql: "BEGIN IMMEDIATE; INSERT INTO log VALUES (2, 1, 1, x'00', 0)")
                try database.rollback()
            }
        }
        let position = try await opened.log.append(SampleRecords.records(1), epoch: epoch)
        #expect(position == LogPosition(2))
        #expect(try await opened.log.read(after: LogPosition(1), limit: 10).map(\.record) == SampleRecords.records(1))
    }

    @Test("A file that another process keeps locked is unavailable, with that process named")
    func lockedFile() async throws {
        let hub = try TemporaryHub()
        let epoch = SampleRecords.epoch(1)
        let opened = try hub.storage(SQLiteOptions(busyTimeoutSeconds: 0.05)).open(PartitionID(0))
        defer { opened.store.close() }
        _ = try await opened.log.begin(SampleRecords.begin(epoch))
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        let other = try DatabaseQueue(path: hub.path(0), configuration: configuration)
        try other.inDatabase { try $0.execute(sql: "BEGIN IMMEDIATE") }
        let error = await #expect(throws: LogError.self) {
            try await opened.log.append(SampleRecords.records(1), epoch: epoch)
        }
        guard case .unavailable(let text) = error else { Issue.record("got \(String(describing: error))"); return }
        #expect(text.contains(hub.path(0)))
        #if os(Linux)
            #expect(text.contains("process \(getpid())"))
        #endif
        // Reading goes on meanwhile.
        #expect(try await opened.log.read(after: LogPosition(0), limit: 10).count == 1)
        try other.inDatabase { try $0.execute(sql: "ROLLBACK") }
        #expect(try await opened.log.append(SampleRecords.records(1), epoch: epoch) == LogPosition(2))
    }

    @Test("Readers see whole states while the write-ahead log is moved into the file")
    func checkpointWhileReading() async throws {
        let hub = try TemporaryHub()
        let epoch = SampleRecords.epoch(1)
        let writer = try hub.storage(SQLiteOptions(checkpointAfterPages: 1)).open(PartitionID(0))
        defer { writer.store.close() }
        _ = try await writer.log.begin(SampleRecords.begin(epoch))
        let reader = try hub.storage.open(PartitionID(0))
        defer { reader.store.close() }
        let rounds = 60
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                var position = LogPosition(0)
                for round in 1...rounds {
                    let end = try await writer.log.append(SampleRecords.records(3), epoch: epoch)
                    let instances = (0..<20).map { number in
                        let state = SampleRecords.instance("i-\(number)", created: 0, historyCount: round)
                        return StoreFlush.InstanceFlush(
                            state: state,
                            newHistory: SampleRecords.history(of: state.id, round - 1..<round, payloadBytes: 500),
                            firstIndex: round - 1)
                    }
                    try writer.store.flush(
                        StoreFlush(previous: position, position: end, epoch: epoch, instances: instances))
                    position = end
                }
            }
            group.addTask {
                var seen = 0
                while seen < rounds {
                    let states = try reader.store.list(ListFilter(), after: nil, limit: 100)
                    let counts = Set(states.map(\.historyCount))
                    #expect(counts.count <= 1, "a list mixes flushes: \(counts)")
                    let events = try reader.store.history(of: InstanceID("i-3"), from: 0, byteLimit: 1 << 20)
                    #expect(events.count >= counts.first ?? 0)
                    _ = try reader.store.recover()
                    seen = counts.first ?? 0
                    await Task.yield()
                }
            }
            try await group.waitForAll()
        }
    }
}
