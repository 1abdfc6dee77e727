import DurableBackend
import DurableConformance
import DurableCore
import DurableSQLite
import Foundation
import GRDB
import Testing

@Suite("Files that are not as they should be") struct DamageTests {
    private let epoch = SampleRecords.epoch(1)

    /// A hub whose partition 0 holds instances, history, outbox entries and log records, closed.
    private func filledHub() async throws -> TemporaryHub {
        let hub = try TemporaryHub()
        let opened = try hub.storage.open(PartitionID(0))
        _ = try await opened.log.begin(SampleRecords.begin(epoch))
        let end = try await opened.log.append(SampleRecords.records(20), epoch: epoch)
        let instances = (0..<100).map { number in
            let state = SampleRecords.instance("i-\(number)", timer: Int64(number), historyCount: 10)
            return StoreFlush.InstanceFlush(
                state: state, newHistory: SampleRecords.history(of: state.id, 0..<10, payloadBytes: 300), firstIndex: 0)
        }
        try opened.store.flush(
            StoreFlush(
                previous: LogPosition(0), position: LogPosition(3), epoch: epoch, instances: instances,
                outboxAdded: (1..<20).map { SampleRecords.outboxTask($0) }))
        #expect(end == LogPosition(21))
        opened.store.close()
        return hub
    }

    /// Opens partition 0 and reads all there is by the ways the engine uses.
    ///
    /// - Returns: Number of instances found: a flipped byte in an index can hide one, which only a full check of the
    ///   database would notice.
    private func readAll(_ hub: TemporaryHub) async throws -> Int {
        let opened = try hub.storage.open(PartitionID(0))
        defer { opened.store.close() }
        let recovery = try opened.store.recover()
        #expect(recovery.state.outbox.count == 19)
        #expect(
            try await opened.log.read(after: recovery.position, limit: 1000)
                == SampleRecords.records(20)[2...]
                .enumerated().map { LogEntry(position: LogPosition(UInt64($0 + 4)), epoch: epoch, record: $1) })
        var found = 0
        for number in 0..<100 {
            let expected = SampleRecords.instance("i-\(number)", timer: Int64(number), historyCount: 10)
            guard let state = try opened.store.instance(expected.id) else { continue }
            found += 1
            #expect(state == expected)
            let events = try opened.store.history(of: state.id, from: 0, byteLimit: 1 << 20)
            #expect(events == SampleRecords.history(of: state.id, 0..<10, payloadBytes: 300))
        }
        return found
    }

    private func overwrite(_ path: String, at offset: Int, with bytes: [UInt8]) throws {
        let handle = try #require(FileHandle(forUpdatingAtPath: path))
        try handle.seek(toOffset: UInt64(offset))
        try handle.write(contentsOf: Data(bytes))
        try handle.close()
    }

    @Test("A flipped byte is reported or harmless, never read as another value")
    func flippedBytes() async throws {
        let hub = try await filledHub()
        #expect(try await readAll(hub) == 100)
        let original = try Data(contentsOf: URL(fileURLWithPath: hub.path(0)))
        var reported = 0
        // A prime stride hits headers, cell pointers, index entries, state, history, log and outbox rows alike.
        for offset in stride(from: 4096 + 7, to: original.count, by: 3001) {
            try overwrite(hub.path(0), at: offset, with: [original[offset] ^ 0x55])
            do {
                _ = try await readAll(hub)
            } catch StoreError.damaged(let text) {
                #expect(text.contains(hub.path(0)))
                reported += 1
            } catch LogError.damaged(let text) {
                #expect(text.contains(hub.path(0)))
                reported += 1
            }
            for suffix in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: hub.path(0) + suffix) }
            try original.write(to: URL(fileURLWithPath: hub.path(0)))
        }
        #expect(reported > original.count / 3001 / 2, "only \(reported) were noticed")
    }

    @Test("Damage in one partition leaves the others alone")
    func otherPartitionsGoOn() async throws {
        let hub = try await filledHub()
        for page in 1..<20 { try overwrite(hub.path(0), at: page * 4096, with: [UInt8](repeating: 0xa5, count: 4096)) }
        expectStoreError(containing: hub.path(0), .isDamaged) {
            let opened = try hub.storage.open(PartitionID(0))
            defer { opened.store.close() }
            _ = try opened.store.recover()
        }
        let other = try hub.storage.open(PartitionID(1))
        defer { other.store.close() }
        _ = try await other.log.begin(SampleRecords.begin(epoch))
        _ = try await other.log.append(SampleRecords.records(5), epoch: epoch)
    }

    @Test("A file that is no database is left alone", arguments: ["not a database, ", "SQLite format 4\u{0} "])
    func noDatabase(words: String) throws {
        let hub = try TemporaryHub()
        let contents = Data(String(repeating: words, count: 1000).utf8)
        try contents.write(to: URL(fileURLWithPath: hub.path(0)))
        expectStoreError(containing: hub.path(0), .isForeign) { _ = try hub.storage.open(PartitionID(0)) }
        #expect(try Data(contentsOf: URL(fileURLWithPath: hub.path(0))) == contents)
    }

    @Test("Somebody else's database is left alone")
    func otherApplication() throws {
        let hub = try TemporaryHub()
        try FileManager.default.removeItem(atPath: hub.path(0))
        let database = try DatabaseQueue(path: hub.path(0))
        try database.write { try $0.execute(sql: "CREATE TABLE photos (id INTEGER PRIMARY KEY)") }
        try database.close()
        let contents = try Data(contentsOf: URL(fileURLWithPath: hub.path(0)))
        expectStoreError(containing: "application ID 0", .isForeign) { _ = try hub.storage.open(PartitionID(0)) }
        #expect(try Data(contentsOf: URL(fileURLWithPath: hub.path(0))) == contents)
    }

    @Test("A truncated file is damaged", arguments: [0, 50, 1000, 4096, 8192, 40_960])
    func truncated(bytes: UInt64) async throws {
        let hub = try await filledHub()
        let handle = try #require(FileHandle(forUpdatingAtPath: hub.path(0)))
        try handle.truncate(atOffset: bytes)
        try handle.close()
        do {
            _ = try await readAll(hub)
            Issue.record("was read as if whole")
        } catch StoreError.damaged(let text) {
            #expect(text.contains(hub.path(0)))
        } catch StoreError.foreign(let text) where bytes < 100 {
            #expect(text.contains(hub.path(0)))  // less than a header: whose it was cannot be known
        }
    }

    @Test("A file of a newer format is left to newer programs")
    func newerFormat() throws {
        let hub = try TemporaryHub()
        let database = try DatabaseQueue(path: hub.path(0))
        try database.write { try $0.execute(sql: "PRAGMA user_version = 5") }
        try database.close()
        expectStoreError(containing: "format 5", .isForeign) { _ = try hub.storage.open(PartitionID(0)) }
    }

    @Test("A file of the format before is brought up to this one in place, with what has to be found by tag and parent")
    func formatBefore() async throws {
        let hub = try TemporaryHub()
        let before = try hub.storage.open(PartitionID(0))
        let epoch = SampleRecords.epoch(1)
        _ = try await before.log.begin(SampleRecords.begin(epoch))
        _ = try await before.log.append([.released(nextDue: nil)], epoch: epoch)
        var ended = SampleRecords.instance("b", status: .completed, historyCount: 3, tags: ["region": "eu"])
        ended.lastUpdatedAt = SampleRecords.time(7)
        let instances = [SampleRecords.instance("a", tags: ["region": "us", "urgent": ""], parent: "p"), ended]
        var flush = StoreFlush(previous: LogPosition(0), position: LogPosition(2), epoch: epoch)
        flush.instances = [
            .init(state: instances[0], newHistory: [], firstIndex: 0),
            .init(state: ended, newHistory: SampleRecords.history(of: ended.id, 0..<3), firstIndex: 0),
        ]
        try before.store.flush(flush)
        let recovery = try before.store.recover()
        before.store.close()
        let database = try DatabaseQueue(path: hub.path(0))
        try await database.write { try $0.execute(sql: FormatThree.downgradeSQL + "PRAGMA user_version = 3") }
        try database.close()
        for round in 0..<2 {
            let after = try hub.storage.open(PartitionID(0))
            defer { after.store.close() }
            #expect(try after.store.recover() == recovery)
            func list(_ filter: ListFilter) throws -> [InstanceState] {
                try after.store.list(filter, after: nil, limit: 10)
            }
            #expect(try list(ListFilter()) == instances)
            #expect(try list(ListFilter(tags: [.init(key: "region")])) == instances)
            #expect(try list(ListFilter(tags: [.init(key: "urgent", value: "")])) == [instances[0]])
            #expect(try list(ListFilter(parent: InstanceID("p"))) == [instances[0]])
            #expect(try list(ListFilter(name: "Sample")) == instances)
            let expired = try after.store.expired(before: .distantFuture, limit: 9)
            #expect(expired == [ExpiredInstance(end: SampleRecords.time(7), id: ended.id)], "round \(round)")
        }
    }

    @Test("A file of an older format is brought up to this one, with what it holds", arguments: [1, 2])
    func muchOlderFormat(_ version: Int) async throws {
        let hub = try TemporaryHub()
        let before = try hub.storage.open(PartitionID(0))
        _ = try await before.log.begin(SampleRecords.begin(SampleRecords.epoch(1)))
        let recovery = try before.store.recover()
        before.store.close()
        let database = try DatabaseQueue(path: hub.path(0))
        try await database.write {
            try $0.execute(
                sql: """
                    \(FormatThree.downgradeSQL)
                    ALTER TABLE store_state DROP COLUMN delivered; ALTER TABLE store_state DROP COLUMN must_redrive;
                    DROP TABLE sent; DROP INDEX instances_by_end; ALTER TABLE instances DROP COLUMN ended_position;
                    PRAGMA user_version = \(version);
                    """)
            if version == 1 { try $0.execute(sql: "ALTER TABLE store_state DROP COLUMN evidence") }
        }
        try database.close()
        for _ in 0..<2 {
            let after = try hub.storage.open(PartitionID(0))
            #expect(try after.store.recover() == recovery)
            after.store.close()
        }
    }

    @Test("Another hub's file is refused")
    func otherHub() throws {
        let (hub, other) = (try TemporaryHub(), try TemporaryHub())
        try FileManager.default.removeItem(atPath: hub.path(0))
        try FileManager.default.copyItem(atPath: other.path(0), toPath: hub.path(0))
        expectStoreError(containing: other.descriptor.hubID, .isForeign) { _ = try hub.storage.open(PartitionID(0)) }
    }

    @Test("Another partition's file is refused")
    func otherPartition() throws {
        let hub = try TemporaryHub()
        try FileManager.default.removeItem(atPath: hub.path(0))
        try FileManager.default.copyItem(atPath: hub.path(1), toPath: hub.path(0))
        expectStoreError(containing: "holds partition 1 of 2", .isForeign) { _ = try hub.storage.open(PartitionID(0)) }
    }

    @Test("A record removed from the middle of the log is noticed")
    func missingRecord() async throws {
        let hub = try await filledHub()
        let database = try DatabaseQueue(path: hub.path(0))
        try await database.write { try $0.execute(sql: "DELETE FROM log WHERE position = 10") }
        try database.close()
        let opened = try hub.storage.open(PartitionID(0))
        defer { opened.store.close() }
        let before = try await opened.log.read(after: LogPosition(3), limit: 6)
        #expect(before.count == 6)
        let error = await #expect(throws: LogError.self) {
            try await opened.log.read(after: LogPosition(3), limit: 1000)
        }
        guard case .damaged(let text) = error else { Issue.record("got \(String(describing: error))"); return }
        #expect(text.contains("log records 10 to 10 are missing"))
    }

    @Test("History rows removed are noticed", arguments: ["first_index = 0", "first_index > 0", "true"])
    func missingHistory(condition: String) async throws {
        let hub = try await filledHub()
        let database = try DatabaseQueue(path: hub.path(0))
        let opened = try hub.storage.open(PartitionID(0))
        defer { opened.store.close() }
        let id = InstanceID("i-7")
        let end = try await opened.log.append(SampleRecords.records(1), epoch: epoch)
        try opened.store.flush(
            StoreFlush(
                previous: LogPosition(3), position: end, epoch: epoch,
                instances: [
                    .init(
                        state: SampleRecords.instance("i-7", historyCount: 12),
                        newHistory: SampleRecords.history(of: id, 10..<12), firstIndex: 10)
                ]))
        try await database.write { try $0.execute(sql: "DELETE FROM history WHERE \(condition)") }
        try database.close()
        expectStoreError(containing: "is missing", .isDamaged) {
            _ = try opened.store.history(of: id, from: 0, byteLimit: 1 << 20)
        }
    }

    @Test("A flush that would leave a gap in a history is refused whole")
    func historyGap() async throws {
        let hub = try await filledHub()
        let opened = try hub.storage.open(PartitionID(0))
        defer { opened.store.close() }
        let id = InstanceID("i-7")
        expectStoreError(containing: "i-7", .isDamaged) {
            try opened.store.flush(
                StoreFlush(
                    previous: LogPosition(3), position: LogPosition(5), epoch: epoch,
                    instances: [
                        .init(
                            state: SampleRecords.instance("i-7", historyCount: 13),
                            newHistory: SampleRecords.history(of: id, 11..<13), firstIndex: 11)
                    ]))
        }
        #expect(try opened.store.recover().position == LogPosition(3))
        #expect(try opened.store.history(of: id, from: 0, byteLimit: 1 << 20).count == 10)
    }
}
