import DurableBackend
import DurableConformance
import DurableCore
import DurableSQLite
import DurableWire
import Foundation
import GRDB
import Testing

@Suite("Copies on disk") struct CopiesTests {
    private let directory = FileManager.default.temporaryDirectory.path + "/dtq-copies-\(UUID().uuidString)"
    private let partition = PartitionID(1)

    private var descriptor: HubDescriptor { TemporaryHub.descriptor(directory: "") }

    private func withDirectory(_ body: () throws -> Void) throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try body()
    }

    private func flush(_ copy: any PartitionCopy, _ descriptor: HubDescriptor) throws -> LogBookmark {
        let bookmark = LogBookmark(
            generation: .first(of: descriptor, partition), offset: 9, position: LogPosition(3),
            newest: SampleRecords.epoch(4), lastIndex: 2)
        var flush = StoreFlush(
            previous: LogPosition(0), position: LogPosition(3), epoch: SampleRecords.epoch(4),
            instances: [.init(state: SampleRecords.instance("a"), newHistory: [], firstIndex: 0)],
            outboxAdded: [SampleRecords.outboxTask(1)], nextOutboxID: OutboxID(2))
        flush.bookmark = bookmark
        try copy.flush(flush)
        return bookmark
    }

    @Test("A copy keeps its bookmark with what was flushed, and is empty after a reset")
    func bookmark() throws {
        try withDirectory {
            let descriptor = descriptor
            let copies = try SQLiteCopies(descriptor: descriptor, directory: directory)
            let copy = try copies.open(partition)
            #expect(try copy.bookmark() == nil)
            let bookmark = try flush(copy, descriptor)
            copy.close()
            let again = try copies.open(partition)
            defer { again.close() }
            #expect(try again.bookmark() == bookmark)
            #expect(try again.recover().position == LogPosition(3))
            try again.reset()
            #expect(try again.bookmark() == nil)
            #expect(try again.recover().position == LogPosition(0))
            #expect(try again.recover().state == PartitionState())
            #expect(try again.counts() == [])
            _ = try flush(again, descriptor)
        }
    }

    @Test("A frozen copy shows what was there, whatever is written later")
    func frozen() throws {
        try withDirectory {
            let copies = try SQLiteCopies(descriptor: descriptor, directory: directory)
            let copy = try copies.open(partition)
            defer { copy.close() }
            try CopyCheck.frozenCopyStays(copy)
        }
    }

    @Test("A copy takes what it lacks of an archive, and nothing else of it")
    func archive() throws {
        try withDirectory {
            let copies = try SQLiteCopies(descriptor: descriptor, directory: directory)
            let copy = try copies.open(partition)
            try CopyCheck.archiveFillsGaps(copy)
            copy.close()
            let again = try copies.open(partition)
            defer { again.close() }
            try CopyCheck.archiveIsKept(again)
        }
    }

    @Test("A copy remembers what was purged for as long as it may be in the archive")
    func purged() throws {
        try withDirectory {
            let copies = try SQLiteCopies(descriptor: descriptor, directory: directory)
            let copy = try copies.open(partition)
            defer { copy.close() }
            try CopyCheck.purgedStayAway(copy)
        }
    }

    @Test("Of an instance that went on and ended again the last end counts")
    func lastEnd() throws {
        try withDirectory {
            let copies = try SQLiteCopies(descriptor: descriptor, directory: directory)
            let copy = try copies.open(partition)
            defer { copy.close() }
            try CopyCheck.lastEndCounts(copy)
        }
    }

    @Test("A copy of the format before is brought up to this one in place, with what has to be found by tag and parent")
    func formatBefore() throws {
        try withDirectory {
            let copies = try SQLiteCopies(descriptor: descriptor, directory: directory)
            let copy = try copies.open(partition)
            var flush = StoreFlush(previous: LogPosition(0), position: LogPosition(3), epoch: SampleRecords.epoch(4))
            let states = [
                SampleRecords.instance("a", parent: "p"), SampleRecords.instance("b", status: .completed, tags: [:]),
                SampleRecords.instance("c", status: .failed, tags: ["colour": "red"]),
            ]
            flush.instances = states.map { .init(state: $0, newHistory: [], firstIndex: 0) }
            try copy.flush(flush)
            copy.close()
            let database = try DatabaseQueue(path: directory + "/copy-1.sqlite")
            try database.write {
                try $0.execute(sql: FormatThree.downgradeSQL + "DROP TABLE purged; PRAGMA user_version = 3")
            }
            try database.close()
            let again = try copies.open(partition)
            defer { again.close() }
            #expect(try again.recover().position == LogPosition(3))
            func list(_ filter: ListFilter) throws -> [String] {
                try again.list(filter, after: nil, limit: 10).map(\.id.value)
            }
            #expect(try list(ListFilter()) == ["a", "b", "c"])
            #expect(try list(ListFilter(tags: [.init(key: "colour")])) == ["a", "c"])
            #expect(try list(ListFilter(parent: InstanceID("p"))) == ["a"])
            #expect(try again.expired(before: .distantFuture, limit: 9).map(\.id.value) == ["b", "c"])
            // When exactly they ended is not known: they may be anywhere in the archive.
            var purge = StoreFlush(previous: LogPosition(3), position: LogPosition(4), epoch: SampleRecords.epoch(4))
            let purged = PurgedInstance(id: InstanceID("c"), position: LogPosition(4), endedAt: nil)
            purge.purged = [purged]
            try again.flush(purge)
            #expect(try again.purged(after: nil, limit: 9) == [purged])
            #expect(try list(ListFilter(tags: [.init(key: "colour")])) == ["a"])
        }
    }

    @Test("A copy of an older format is brought up to this one: what had ended is in no archive yet")
    func olderFormat() throws {
        try withDirectory {
            let copies = try SQLiteCopies(descriptor: descriptor, directory: directory)
            let copy = try copies.open(partition)
            var flush = StoreFlush(previous: LogPosition(0), position: LogPosition(3), epoch: SampleRecords.epoch(4))
            var ended = SampleRecords.instance("b")
            ended.status = .completed
            flush.instances = [SampleRecords.instance("a"), ended].map {
                .init(state: $0, newHistory: [], firstIndex: 0)
            }
            try copy.flush(flush)
            copy.close()
            let database = try DatabaseQueue(path: directory + "/copy-1.sqlite")
            try database.write {
                try $0.execute(
                    sql: """
                        \(FormatThree.downgradeSQL) DROP TABLE purged;
                        DROP INDEX instances_by_end; ALTER TABLE instances DROP COLUMN ended_position;
                        DROP TABLE archive; DROP TABLE archive_filter; DROP TABLE sent; ALTER TABLE store_state DROP COLUMN delivered;
                        ALTER TABLE store_state DROP COLUMN must_redrive; PRAGMA user_version = 2
                        """)
            }
            try database.close()
            let again = try copies.open(partition)
            defer { again.close() }
            #expect(try again.recover().position == LogPosition(3))
            #expect(try again.missingArchive() == nil)
            let found = try again.ended(after: EndedInstance(after: LogPosition(0)), limit: 10)
            #expect(found == [EndedInstance(position: LogPosition(3), id: InstanceID("b"))])
        }
    }

    @Test("Copies of another hub and damaged ones are made anew")
    func madeAnew() throws {
        try withDirectory {
            let notes = PlatformLock<[String]>([])
            do {
                let copies = try SQLiteCopies(descriptor: descriptor, directory: directory)
                let copy = try copies.open(partition)
                _ = try flush(copy, descriptor)
                copy.close()
            }
            let copies = try SQLiteCopies(
                descriptor: descriptor, directory: directory, note: { text in notes.withLock { $0.append(text) } })
            let copy = try copies.open(partition)
            #expect(try copy.recover().position == LogPosition(0))
            copy.close()
            let path = "\(directory)/copy-1.sqlite"
            #expect(FileManager.default.createFile(atPath: path, contents: Data("no database".utf8)))
            let again = try copies.open(partition)
            #expect(try again.recover().position == LogPosition(0))
            again.close()
            #expect(notes.withLock(\.count) == 2)
        }
    }

    @Test("One process at a time has a directory; without a name each gets the first that is free")
    func locked() throws {
        try withDirectory {
            let descriptor = descriptor
            do {
                let one = try SQLiteCopies(descriptor: descriptor, anyIn: directory)
                let two = try SQLiteCopies(descriptor: descriptor, anyIn: directory)
                #expect([one.directory, two.directory] == ["\(directory)/0", "\(directory)/1"])
                #expect(throws: StoreError.self) {
                    try SQLiteCopies(descriptor: descriptor, directory: one.directory)
                }
            }
            #expect(try SQLiteCopies(descriptor: descriptor, anyIn: directory).directory == "\(directory)/0")
        }
    }
}
