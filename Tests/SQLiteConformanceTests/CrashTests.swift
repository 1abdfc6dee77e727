import DurableBackend
import DurableConformance
import DurableCore
import DurableSQLite
import Foundation
import Testing

/// What a power cut leaves is the main file and some first part of the write-ahead log. Copies of both, the latter cut
/// off anywhere, stand in for it.
@Suite("Crashes", .timeLimit(.minutes(10))) struct CrashTests {
    @Test("Wherever the write-ahead log ends, appends and flushes are whole or absent, and none is skipped")
    func cutWriteAheadLog() async throws {
        let hub = try TemporaryHub(partitions: 1)
        let epoch = SampleRecords.epoch(1)
        let opened = try hub.storage(SQLiteOptions(checkpointAfterPages: 0)).open(PartitionID(0))
        defer { opened.store.close() }
        // Log ends after each call, in order; the crash may leave any of these and nothing in between.
        var ends: [UInt64] = [0]
        ends.append(try await opened.log.begin(SampleRecords.begin(epoch)).value)
        var flushed: [UInt64] = [0]
        for round in 0..<12 {
            ends.append(
                try await opened.log.append(SampleRecords.records(1 + round % 4, from: 3), epoch: epoch).value)
            if round % 3 == 2, let end = ends.last, let last = flushed.last {
                let state = SampleRecords.instance("a", created: 0, historyCount: Int(end))
                try opened.store.flush(
                    StoreFlush(
                        previous: LogPosition(last), position: LogPosition(end), epoch: epoch,
                        instances: [
                            .init(
                                state: state, newHistory: SampleRecords.history(of: state.id, Int(last)..<Int(end)),
                                firstIndex: Int(last))
                        ]))
                flushed.append(end)
            }
        }
        let main = try Data(contentsOf: URL(fileURLWithPath: hub.path(0)))
        let wal = try Data(contentsOf: URL(fileURLWithPath: hub.path(0) + "-wal"))
        #expect(wal.count > 100_000)
        let frame = 4096 + 24
        // Less than a frame a step: every state is met, mostly with a part of the next frame behind it.
        let cuts = stride(from: 0, through: wal.count, by: frame - 13)
        var found: Set<UInt64> = []
        for cut in [wal.count] + Array(cuts) {
            let copy = try TemporaryHub(partitions: 1, creating: false)
            try FileManager.default.createDirectory(atPath: copy.directory, withIntermediateDirectories: true)
            try main.write(to: URL(fileURLWithPath: copy.path(0)))
            try wal.prefix(cut).write(to: URL(fileURLWithPath: copy.path(0) + "-wal"))
            let storage = SQLiteStorage(descriptor: hub.descriptor, directory: copy.directory)
            let crashed = try storage.open(PartitionID(0))
            defer { crashed.store.close() }
            let position = try crashed.store.recover().position
            let entries = try await crashed.log.read(after: position, limit: 1000)
            let end = entries.last?.position.value ?? position.value
            #expect(flushed.contains(position.value))
            #expect(ends.contains(end), "an append is there in part: the log ends at \(end)")
            let events = try crashed.store.history(of: InstanceID("a"), from: 0, byteLimit: 1 << 20)
            #expect(events.count == Int(position.value), "history and position are of different flushes")
            if end > 0 {
                #expect(try await crashed.log.append(SampleRecords.records(1), epoch: epoch).value == end + 1)
            }
            found.insert(end)
        }
        #expect(found.count == Set(ends).count, "each append is durable on its own")
    }
}
