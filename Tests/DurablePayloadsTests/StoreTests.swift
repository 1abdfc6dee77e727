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

    @Test("Writing and deleting at the same time leaves whole files or none") func survivesRaces() async throws {
        try await withStore { directory, pipeline in
            let id = InstanceID("o-1")
            await withTaskGroup(of: Void.self) { group in
                for number in 0..<40 {
                    group.addTask {
                        let payload = Payload("\"\(number) \(Self.large.text.dropFirst())")
                        _ = try? await pipeline.sealFully(payload, for: PayloadOwner(id, ExecutionID("r\(number % 3)")))
                    }
                    group.addTask { try? await pipeline.remove(.run(id, ExecutionID("r\(number % 3)"))) }
                }
            }
            #expect(files(directory).allSatisfy { !$0.split(separator: "/").last!.hasPrefix(".") })
            for run in 0..<3 { try await pipeline.remove(.run(id, ExecutionID("r\(run)"))) }
            #expect(files(directory).isEmpty)
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
