import DurableBackend
import DurableConformance
import DurableCore
import DurableSQLite
import Foundation
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// A small volume in memory, mounted for one test.
final class SmallVolume: Sendable {
    let path: String

    init(kibibytes: Int) throws {
        path = NSTemporaryDirectory() + "/dtq-volume-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try Self.run("mount", ["-t", "tmpfs", "-o", "size=\(kibibytes)k", "tmpfs", path])
    }

    deinit {
        try? Self.run("umount", ["-l", path])
        try? FileManager.default.removeItem(atPath: path)
    }

    func makeReadOnly() throws { try Self.run("mount", ["-o", "remount,ro", path]) }

    static let isPermitted: Bool = (try? SmallVolume(kibibytes: 64)) != nil

    private struct Failure: Error {}

    private static func run(_ command: String, _ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [command] + arguments
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        if process.terminationStatus != 0 { throw Failure() }
    }
}

@Suite(
    "Full and read-only volumes", .enabled(if: SmallVolume.isPermitted, "mounting a volume needs root"),
    .timeLimit(.minutes(10)))
struct VolumeTests {
    private let epoch = SampleRecords.epoch(1)

    @Test("On a full disk a write changes nothing, and goes through once there is space")
    func fullDisk() async throws {
        let volume = try SmallVolume(kibibytes: 2048)
        let hub = try TemporaryHub(parent: volume.path, partitions: 1)
        let ballast = URL(fileURLWithPath: volume.path + "/ballast")
        try Data(count: 1 << 20).write(to: ballast)
        let opened = try hub.storage.open(PartitionID(0))
        defer { opened.store.close() }
        var end = try await opened.log.begin(SampleRecords.begin(epoch))
        let state = SampleRecords.instance("a", historyCount: 3)
        try opened.store.flush(
            StoreFlush(
                previous: LogPosition(0), position: end, epoch: epoch,
                instances: [
                    .init(state: state, newHistory: SampleRecords.history(of: state.id, 0..<3), firstIndex: 0)
                ]))
        let record = PartitionRecord.checkpoint(SampleRecords.checkpoint(3, payloadBytes: 10_000))
        var refusal: LogError?
        while refusal == nil {
            do throws(LogError) {
                end = try await opened.log.append([record, record], epoch: epoch)
            } catch {
                refusal = error
            }
        }
        guard case .full(let text) = refusal else { Issue.record("got \(String(describing: refusal))"); return }
        #expect(text.contains(hub.path(0)))

        for _ in 0..<3 {
            await #expect(throws: LogError.full(text)) { try await opened.log.append([record, record], epoch: epoch) }
        }
        let big = SampleRecords.instance("a", historyCount: 40)
        let flush = StoreFlush(
            previous: LogPosition(1), position: end, epoch: epoch,
            instances: [
                .init(
                    state: big, newHistory: SampleRecords.history(of: big.id, 3..<40, payloadBytes: 5000), firstIndex: 3
                )
            ])
        expectStoreError(containing: hub.path(0), .isFull) { try opened.store.flush(flush) }

        #expect(try opened.store.recover().position == LogPosition(1))
        #expect(try opened.store.instance(state.id) == state)
        let entries = try await opened.log.read(after: LogPosition(1), limit: 10_000)
        #expect(entries.last?.position == end)
        #expect(entries.allSatisfy { $0.record == record })

        try FileManager.default.removeItem(at: ballast)
        #expect(try await opened.log.append([record, record], epoch: epoch).value == end.value + 2)
        try opened.store.flush(flush)
        #expect(try opened.store.instance(state.id) == big)
    }

    @Test("A hub is not made on a full disk, and is once there is space")
    func creationOnFullDisk() throws {
        let volume = try SmallVolume(kibibytes: 512)
        let ballast = URL(fileURLWithPath: volume.path + "/ballast")
        try Data(count: 400 << 10).write(to: ballast)
        let hub = try TemporaryHub(parent: volume.path, partitions: 4, creating: false)
        expectStoreError(containing: hub.directory, .isFull) { try SQLiteHubStorage().create(hub.descriptor) }
        try FileManager.default.removeItem(at: ballast)
        try SQLiteHubStorage().create(hub.descriptor)
        for partition in 0..<4 { try hub.storage.open(PartitionID(partition)).store.close() }
    }

    @Test("A read-only volume is unavailable, with what to do")
    func readOnly() async throws {
        let volume = try SmallVolume(kibibytes: 2048)
        let hub = try TemporaryHub(parent: volume.path, partitions: 1)
        try volume.makeReadOnly()
        do {
            let opened = try hub.storage.open(PartitionID(0))
            defer { opened.store.close() }
            _ = try await opened.log.begin(SampleRecords.begin(epoch))
            Issue.record("an epoch began on a read-only volume")
        } catch StoreError.unavailable(let text) {
            #expect(text.contains(hub.path(0)) && text.contains("writable"))
        } catch LogError.unavailable(let text) {
            #expect(text.contains(hub.path(0)) && text.contains("writable"))
        }
        expectStoreError(containing: hub.directory, .isUnavailable) { try SQLiteHubStorage().create(hub.descriptor) }
    }
}
