import DurableBackend
import DurableCore
import DurablePayloads
import Foundation
import Testing

@Suite("Payload stores") struct StoreTests {
    private static let large = Payload("\"\(String(repeating: "x", count: 5000))\"")

    /// A store in a directory of its own, gone afterwards.
    private func withStore(_ body: (String, PayloadPipeline) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.path + "/dtq-payloads-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await body(
            directory,
            PayloadPipeline(
                PayloadOptions(store: FileSystemPayloadStore(directory: directory), storeThreshold: 1000),
                hubID: "hub-1"))
    }

    private func files(_ directory: String) -> [String] {
        let all = FileManager.default.enumerator(atPath: directory)?.allObjects as? [String] ?? []
        return all.filter { path in
            var isDirectory: ObjCBool = false
            return FileManager.default.fileExists(atPath: "\(directory)/\(path)", isDirectory: &isDirectory)
                && !isDirectory.boolValue
        }.sorted()
    }

    private func fault(_ body: () async throws(PayloadFault) -> Void) async -> PayloadFault? {
        do throws(PayloadFault) { try await body() } catch { return error }
        return nil
    }

    @Test("What is above the threshold is stored under its owner, what is not stays") func storesAboveTheThreshold()
        async throws
    {
        try await withStore { directory, pipeline in
            let owner = PayloadOwner(InstanceID("order-1"), ExecutionID("start-1~2"))
            let small = Payload(Array(repeating: 0x20, count: 1000))
            #expect(try pipeline.seal(small, for: owner) == SealedPayload(small))
            let sealed = try #require(try await pipeline.sealFully(Self.large, for: owner))
            #expect(sealed.count < 200)
            #expect(sealed.sealedDescription == "stored, 5002 bytes")
            #expect(try await pipeline.openFully(sealed) == Self.large)
            let file = try #require(files(directory).first)
            #expect(file.hasPrefix("hub-1/order-1/start-1/2/"))
            // Once more, as after a crash between this and the checkpoint: the same file.
            #expect(try await pipeline.sealFully(Self.large, for: owner) == sealed)
            #expect(files(directory) == [file])
        }
    }

    @Test("What is stored is deleted with its run, what was sent to it by its keys, and nothing else is")
    func deletesWhatBelongs() async throws {
        try await withStore { directory, pipeline in
            let (a, b) = (InstanceID("aa"), InstanceID("bb"))
            let owners = [
                PayloadOwner(a, sentIn: MessageID("m1")), PayloadOwner(a, sentIn: MessageID("m2")),
                PayloadOwner(a, ExecutionID("r1")), PayloadOwner(a, ExecutionID("r1~1")),
                PayloadOwner(a, ExecutionID("r2")), PayloadOwner(b, ExecutionID("r1")),
            ]
            var stored: [StoredPayload] = []
            for owner in owners {
                let sealed = try pipeline.seal(Self.large, for: owner)
                let content = try #require(sealed.content)
                try await pipeline.store(content)
                stored.append(content.reference)
            }
            func left() -> [String] {
                files(directory).map { $0.split(separator: "/").dropLast().joined(separator: "/") }
            }
            try await pipeline.remove(.run(a, ExecutionID("r1~7")))
            let others = ["hub-1/aa/-/m1", "hub-1/aa/-/m2", "hub-1/aa/r2/0", "hub-1/bb/r1/0"]
            #expect(left() == others)
            // A history says what was sent to its instance: no other one's, whatever it says.
            try await pipeline.remove(.sent(b, stored))
            try await pipeline.remove(.sent(a, [stored[4], stored[5]]))
            #expect(left() == others)
            try await pipeline.remove(.sent(a, [stored[0]]))
            #expect(left() == ["hub-1/aa/-/m2", "hub-1/aa/r2/0", "hub-1/bb/r1/0"])
            // Again, and of nothing.
            try await pipeline.remove(.sent(a, [stored[0], stored[1]]))
            try await pipeline.remove(.run(a, ExecutionID("r2")))
            try await pipeline.remove(.run(InstanceID("none"), ExecutionID("r2")))
            #expect(try FileManager.default.contentsOfDirectory(atPath: "\(directory)/hub-1") == ["bb"])
        }
    }

    @Test(
        "Any instance ID is a folder of its own, below the store",
        arguments: [
            "..", ".", "a/../../b", "/", "Order-1", "order~1", "x", "\u{1F680}", String(repeating: "y", count: 255),
            "-",
        ])
    func keepsAnyID(id: String) async throws {
        try await withStore { directory, pipeline in
            let ids = [InstanceID(id), InstanceID(id.lowercased() + "2"), InstanceID("order-1")]
            for id in ids { _ = try await pipeline.sealFully(Self.large, for: PayloadOwner(id, ExecutionID("r1"))) }
            #expect(files(directory).count == 3)
            try await pipeline.remove(.run(ids[0], ExecutionID("r1")))
            #expect(files(directory).count == 2)
        }
    }

    @Test(
        "A key from outside leads nowhere else",
        arguments: ["../x", "a/../../x", "/etc/passwd", "a//b", ".x/y", "a/\u{0}"])
    func refusesKeys(key: String) async throws {
        try await withStore { directory, pipeline in
            let reference = StoredPayload(key: key, size: 1, sha256: Array(repeating: 0, count: 32))
            let fault = await fault { () throws(PayloadFault) in
                _ = try await pipeline.openFully(reference.envelope.payload)
            }
            #expect(fault?.kind == .unreadable)
            await #expect(throws: PayloadStoreError.self) {
                try await FileSystemPayloadStore(directory: directory).put([1], as: key)
            }
        }
    }

    @Test("A missing or damaged file is told with its key and what to do") func tellsMissingAndDamaged() async throws {
        try await withStore { directory, pipeline in
            let sealed = try #require(
                try await pipeline.sealFully(Self.large, for: PayloadOwner(InstanceID("o-1"), ExecutionID("r1"))))
            let key = try #require(files(directory).first)
            try Data("other".utf8).write(to: URL(fileURLWithPath: "\(directory)/\(key)"))
            let damaged = await fault { () throws(PayloadFault) in _ = try await pipeline.openFully(sealed) }
            #expect(damaged?.kind == .unreadable && damaged?.code == "DTQ2019")
            #expect(
                damaged?.reason
                    == "what payload store \(directory) has under \(key) is damaged (5 bytes, 5002 were written)")
            try FileManager.default.removeItem(atPath: "\(directory)/\(key)")
            let missing = await fault { () throws(PayloadFault) in _ = try await pipeline.openFully(sealed) }
            #expect(missing?.kind == .unavailable)
            #expect(missing?.reason == "payload store \(directory) has no \(key)")
        }
    }

    @Test("A store that cannot be written is told, and nothing half is left") func tellsWhenItCannotWrite() async throws
    {
        let file = FileManager.default.temporaryDirectory.path + "/dtq-payloads-\(UUID().uuidString)"
        try Data().write(to: URL(fileURLWithPath: file))
        defer { try? FileManager.default.removeItem(atPath: file) }
        let pipeline = PayloadPipeline(
            PayloadOptions(store: FileSystemPayloadStore(directory: file), storeThreshold: 10), hubID: "hub-1")
        let fault = await fault { () throws(PayloadFault) in
            _ = try await pipeline.sealFully(Self.large, for: PayloadOwner(InstanceID("o-1"), ExecutionID("r1")))
        }
        #expect(fault?.kind == .unavailable && fault?.code == "DTQ2019")
        #expect(fault?.reason.contains("Not a directory") == true)
    }

    /// What a store synchronizes, in order, without random names; and what happens right before.
    private final class Synchronizations: Sendable {
        let paths = PlatformLock<[String]>([])
        let before = PlatformLock<@Sendable (_ path: String, _ count: Int) -> Void>({ _, _ in })

        func store(_ directory: String) -> FileSystemPayloadStore {
            FileSystemPayloadStore(directory: directory) { [self] path in
                let isFile = path.split(separator: "/").last?.hasPrefix(".") == true
                let shown = path.replacingOccurrences(of: directory, with: "")
                let count = paths.withLock { paths in
                    paths.append(isFile ? "FILE" : shown)
                    return paths.count
                }
                before.withLock { $0 }(path, count)
            }
        }

        /// Those since the last call.
        func taken() -> [String] {
            paths.withLock { paths in
                defer { paths = [] }
                return paths
            }
        }
    }

    @Test("Folders that another process has just made are synchronized into their parents, too, once")
    func synchronizesFoldersOfOthers() async throws {
        try await withStore { directory, _ in
            let above = FileManager.default.temporaryDirectory.path
            let synchronizations = Synchronizations()
            let store = synchronizations.store(directory)
            try FileManager.default.createDirectory(
                atPath: "\(directory)/hub/o-1/r", withIntermediateDirectories: true)
            try await store.put([1], as: "hub/o-1/r/a")
            #expect(synchronizations.taken() == [above, "", "/hub", "/hub/o-1", "FILE", "/hub/o-1/r"])
            try await store.put([2], as: "hub/o-1/r/b")
            #expect(synchronizations.taken() == ["FILE", "/hub/o-1/r"])
            // New ones of its own below what it knows.
            try await store.put([3], as: "hub/o-1/s/c")
            #expect(synchronizations.taken() == ["/hub/o-1", "FILE", "/hub/o-1/s"])
            // Deleted by this process, and made again by another.
            try await store.removeAll(under: "hub/o-1")
            try FileManager.default.createDirectory(
                atPath: "\(directory)/hub/o-1/r", withIntermediateDirectories: true)
            try await store.put([4], as: "hub/o-1/r/a")
            #expect(synchronizations.taken() == ["", "/hub", "/hub/o-1", "FILE", "/hub/o-1/r"])
            #expect(try await store.get("hub/o-1/r/a", size: 1) == [4])
        }
    }

    @Test(
        "A folder that is deleted at any point of a write is made again, and the file is whole", arguments: 1...6)
    func survivesDeletion(at point: Int) async throws {
        try await withStore { directory, _ in
            let synchronizations = Synchronizations()
            let store = synchronizations.store(directory)
            // Folders first, so that point 6 is the end of the write.
            synchronizations.before.withLock { before in
                before = { _, count in
                    if count == point { try? FileManager.default.removeItem(atPath: "\(directory)/hub") }
                }
            }
            try await store.put(Self.large.bytes, as: "hub/o-1/r/a")
            #expect(try await store.get("hub/o-1/r/a", size: Self.large.count) == Self.large.bytes)
            #expect(files(directory) == ["hub/o-1/r/a"])
            #expect(synchronizations.taken().count >= 6)
        }
    }

    @Test("A folder that is deleted time after time is an error with its reason, and leaves nothing")
    func tellsEndlessDeletion() async throws {
        try await withStore { directory, _ in
            let synchronizations = Synchronizations()
            let store = synchronizations.store(directory)
            synchronizations.before.withLock { before in
                before = { path, _ in
                    // Its file is there, and not yet under its name.
                    if path.contains("/.") { try? FileManager.default.removeItem(atPath: "\(directory)/hub") }
                }
            }
            let error = await #expect(throws: PayloadStoreError.self) { try await store.put([1], as: "hub/o-1/a") }
            #expect(error?.description.hasPrefix("cannot rename \(directory)/hub/o-1/.") == true)
            #expect(error?.description.hasSuffix(": No such file or directory") == true)
            #expect(synchronizations.taken().count { $0 == "FILE" } == 5)
            #expect(files(directory).isEmpty)
        }
    }

    @Test("Of a file that has grown no more is read than tells so") func readsNoMoreThanItNeeds() async throws {
        try await withStore { directory, pipeline in
            let sealed = try #require(
                try await pipeline.sealFully(Self.large, for: PayloadOwner(InstanceID("o-1"), ExecutionID("r1"))))
            let key = try #require(files(directory).first)
            try Data(count: 20_000_000).write(to: URL(fileURLWithPath: "\(directory)/\(key)"))
            let store = FileSystemPayloadStore(directory: directory)
            #expect(try await store.get(key, size: Self.large.count)?.count == Self.large.count + 1)
            let fault = await fault { () throws(PayloadFault) in _ = try await pipeline.openFully(sealed) }
            #expect(fault?.kind == .unreadable)
            #expect(fault?.reason.hasSuffix("is damaged (more than 5002 bytes, 5002 were written)") == true)
        }
    }

    @Test("What is stored is encrypted first") func storesEncrypted() async throws {
        try await withStore { directory, _ in
            let keys = try PayloadKeys(current: "k1", keys: ["k1": Array(repeating: 7, count: 32)])
            let pipeline = PayloadPipeline(
                PayloadOptions(
                    codecs: [PayloadEncryption(keys)], store: FileSystemPayloadStore(directory: directory),
                    storeThreshold: 1000), hubID: "hub-1")
            let sealed = try #require(
                try await pipeline.sealFully(Self.large, for: PayloadOwner(InstanceID("o-1"), ExecutionID("r1"))))
            let file = try Data(
                contentsOf: URL(fileURLWithPath: "\(directory)/\(try #require(files(directory).first))"))
            #expect(file.range(of: Data("xxx".utf8)) == nil)
            #expect(try await pipeline.openFully(sealed) == Self.large)
        }
    }
}
