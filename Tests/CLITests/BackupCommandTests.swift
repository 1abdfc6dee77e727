import DurableBackend
import DurableCLI
import DurableClient
import DurableCore
import DurableMemory
import Foundation
import Testing

@Suite("dtq hub backup and restore", .timeLimit(.minutes(5))) struct BackupCommandTests {
    /// A directory of its own, removed with it.
    final class Directory: Sendable {
        let path = FileManager.default.temporaryDirectory.path + "/dtq-backup-\(UUID().uuidString)"
        init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
        deinit { try? FileManager.default.removeItem(atPath: path) }
        func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }
        var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }
    }

    private func backedUp(_ directory: Directory, log: String) async throws -> [UInt8] {
        let bench = try Bench()
        #expect(await bench.run("hub", "create", "--partitions", "2", "--log", log).code == 0)
        let run = await bench.run("hub", "backup", directory("b"), "--json")
        #expect(run.code == 0, "\(run)")
        #expect(run.errors.isEmpty)
        return Array(try Data(contentsOf: URL(fileURLWithPath: directory("b"))))
    }

    @Test("A hub without any worker is copied and comes back under another name", arguments: ["replicated", "local"])
    func emptyHub(_ log: String) async throws {
        let directory = try Directory()
        let bytes = try await backedUp(directory, log: log)
        #expect(directory.names == ["b"])
        let other = try Bench()
        let run = await other.run("hub", "restore", directory("b"), "--hub", "copy", "--json")
        #expect(run.code == 0, "\(run)")
        #expect(run.output.contains(#""hub":"copy","id":"id-1""#))
        #expect(run.output.contains(#""partitions":2,"instances":0"#))
        let show = await other.run("hub", "show", "--hub", "copy")
        #expect(show.output.contains("log         \(log)"))
        #expect(await other.run("hub", "verify", "--hub", "copy").code == 0)
        let topology = HubTopology(hub: try #require(HubName("copy")), partitionCount: 2, queueKind: .quorum)
        for partition in topology.partitions {
            #expect(other.broker.readyMessages(in: topology.queue(.own, partition)).count == 1)
        }
        // Nothing is written over.
        let again = await other.run("hub", "backup", directory("b"), "--hub", "copy")
        #expect(again.code == 2)
        #expect(Array(try Data(contentsOf: URL(fileURLWithPath: directory("b")))) == bytes)
    }

    @Test("A hub that is there is left alone")
    func existingHub() async throws {
        let directory = try Directory()
        _ = try await backedUp(directory, log: "replicated")
        let other = try Bench()
        #expect(await other.run("hub", "create", "--partitions", "3").code == 0)
        let run = await other.run("hub", "restore", directory("b"))
        #expect(run.code == 1)
        #expect(run.errors.hasPrefix(#"DTQ1002 hub "orders" is there already (id-1, 3 partitions)"#), "\(run.errors)")
        #expect(await other.run("hub", "verify").code == 0)
        #expect(await other.run("hub", "restore", directory("none")).code == 2)
        #expect(await other.run("hub", "backup", directory("c"), "--hub", "nothere").code == 3)
        #expect(directory.names == ["b"])
    }

    @Test("Whatever is wrong with a backup is said before anything is made")
    func unusableBackups() async throws {
        let directory = try Directory()
        let bytes = try await backedUp(directory, log: "replicated")
        let bench = try Bench()
        func restored(_ bytes: [UInt8]) async throws -> Run {
            try Data(bytes).write(to: URL(fileURLWithPath: directory("damaged")))
            return await bench.run("hub", "restore", directory("damaged"))
        }
        func expectRefused(_ bytes: [UInt8], _ text: String, line: Int = #line) async throws {
            let run = try await restored(bytes)
            #expect(run.code == 1 && run.output.isEmpty, "line \(line)")
            #expect(run.errors.hasPrefix("DTQ1009 backup \(directory("damaged")) "), "line \(line): \(run.errors)")
            #expect(run.errors.contains(text), "line \(line): \(run.errors)")
        }
        try await expectRefused(Array("something else entirely".utf8), "is no backup of ours")
        try await expectRefused([], "is no backup of ours")
        for end in [11, 13, 19, 40, bytes.count - 1] {
            try await expectRefused(Array(bytes[..<end]), "ends in the middle")
        }
        try await expectRefused(bytes + [0], "something follows its end")
        for place in stride(from: 15, to: bytes.count, by: 7) {
            var changed = bytes
            changed[place] ^= 0x40
            let run = try await restored(changed)
            #expect(run.code == 1 && run.errors.hasPrefix("DTQ1009 "), "byte \(place): \(run.errors)")
        }
        // A whole partition left out, with the checksums that would be right if it began there.
        #expect(await bench.run("hub", "show").code == 3)
        #expect(await bench.run("hub", "restore", directory("b")).code == 0)
    }

    @Test("A backup of a newer version is left to newer programs")
    func newerVersion() async throws {
        let directory = try Directory()
        var bytes = try await backedUp(directory, log: "replicated")
        // The first record begins with its format: field 1, value 1.
        #expect(bytes[19...20] == [0x08, 0x01])
        bytes[20] = 9
        var checksum = Checksum()
        let length = Int(bytes[11]) << 24 | Int(bytes[12]) << 16 | Int(bytes[13]) << 8 | Int(bytes[14])
        checksum.add(Array(bytes[19..<19 + length]))
        for (index, shift) in [24, 16, 8, 0].enumerated() {
            bytes[15 + index] = UInt8(truncatingIfNeeded: checksum.value >> shift)
        }
        try Data(bytes).write(to: URL(fileURLWithPath: directory("newer")))
        let run = await (try Bench()).run("hub", "restore", directory("newer"))
        #expect(run.code == 1)
        #expect(run.errors.contains("written by a newer version (format 9, this one reads up to 1)"), "\(run.errors)")
    }

    @Test("A restore that breaks off removes what it made")
    func brokenOff() async throws {
        let directory = try Directory()
        _ = try await backedUp(directory, log: "local")
        let bench = try Bench()
        // Files of another hub are in the way.
        #expect(await bench.run("hub", "create", "--partitions", "2", "--log", "local", "--hub", "first").code == 0)
        let run = await bench.run("hub", "restore", directory("b"), "--hub", "second")
        #expect(run.code == 1)
        #expect(run.errors.hasPrefix("DTQ1004 cannot make the files of hub \"second\""), "\(run.errors)")
        #expect(await bench.run("hub", "show", "--hub", "first").code == 0)
    }
}
