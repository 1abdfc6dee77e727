import DurableBackend
import DurableCLI
import DurableCore
import DurablePayloads
import Foundation
import Testing

@Suite("dtq and payloads that are encrypted or stored", .timeLimit(.minutes(5))) struct PayloadCommandTests {
    private static let keyFile = "k1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    private static let secret = Payload(#"{"card":"4111"}"#)

    private var pipeline: PayloadPipeline {
        get throws {
            PayloadPipeline(
                PayloadOptions(codecs: [PayloadEncryption(try PayloadKeys(text: Self.keyFile))]), hubID: "hub-1")
        }
    }

    private static func temporaryPath() -> String {
        FileManager.default.temporaryDirectory.path + "/dtq-keys-\(UUID().uuidString)"
    }

    /// Variables that name a file of keys, which is gone afterwards.
    private func withKeyFile<Result>(
        _ text: String = keyFile, _ body: (_ path: String, _ options: Bench.Options) async throws -> Result
    ) async throws -> Result {
        let path = Self.temporaryPath()
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        var options = Bench.Options()
        options.variables = ["DTQ_PAYLOAD_KEYS": path]
        return try await body(path, options)
    }

    private func script() throws -> ScriptedOwner.Script {
        let sealed = try pipeline.seal(Self.secret, for: PayloadOwner(InstanceID("o-1"), ExecutionID("x"))).payload
        var done = instance("o-1", "ShipOrder", .completed)
        done.input = sealed
        done.output =
            StoredPayload(
                key: "hub-1/o-1/r/0/x", size: 12_000_000, sha256: Array(repeating: 0, count: 32)
            ).envelope.payload
        let event = HistoryEvent(
            eventID: EventID(0), timestamp: done.createdAt, kind: .taskScheduled(name: "Charge", input: sealed))
        return .init(instances: [done], histories: [done.id: [event]])
    }

    @Test("Without keys they are shown as what they are") func describesSealed() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(bench, try script())
        let size = try pipeline.seal(Self.secret, for: PayloadOwner(InstanceID("o-1"), ExecutionID("x"))).payload.count
        let status = await bench.run("status", "o-1")
        #expect(status.output.contains("input      encrypted with key \"k1\", \(size) bytes\n"))
        #expect(status.output.contains("output     stored, 12 MB\n"))
        let json = await bench.run("status", "o-1", "--json")
        #expect(json.output.contains(#""output":{"sealed":"stored, 12 MB","base64":"#))
        let history = await bench.run("history", "o-1", "--payloads")
        #expect(history.output.contains("Charge, input encrypted with key \"k1\", \(size) bytes"))
        withExtendedLifetime(owner) {}
    }

    @Test("With keys they are opened") func opens() async throws {
        try await withKeyFile { _, options in
            let bench = try await Bench.withHub(options)
            let owner = try await ScriptedOwner.serve(bench, try script())
            let status = await bench.run("status", "o-1")
            #expect(status.output.contains("input      {\"card\":\"4111\"}\n"))
            let history = await bench.run("history", "o-1", "--payloads")
            #expect(history.output.contains("Charge, input {\"card\":\"4111\"}"))
            withExtendedLifetime(owner) {}
        }
    }

    @Test("With keys submit and raise encrypt what they send") func encryptsWhatItSends() async throws {
        let sent = try await withKeyFile { _, options in
            let bench = try await Bench.withHub(options)
            let owner = try await ScriptedOwner.serve(bench)
            _ = await bench.run("submit", "ShipOrder", "--id", "o-2", "--input", Self.secret.text)
            _ = await bench.run("raise", "o-2", "paid", "--input", Self.secret.text)
            _ = await bench.run(
                ["submit", "ShipOrder", "--batch"], input: ["{\"id\":\"o-3\",\"input\":\(Self.secret.text)}\n"])
            return owner.messages.map(\.event.payload)
        }
        #expect(sent.count == 3)
        for payload in sent {
            let payload = try #require(payload)
            #expect(try pipeline.open(payload) == .payload(Self.secret))
            #expect(payload != Self.secret)
        }
    }

    @Test("A file of keys that cannot be used is wrong usage, and nothing is sent") func refusesKeyFile() async throws {
        var options = Bench.Options()
        options.variables = ["DTQ_PAYLOAD_KEYS": "missing"]
        let missing = await (try Bench.withHub(options)).run("status", "o-1")
        #expect(missing.code == 2)
        // A path that is not absolute begins where the command was started.
        #expect(missing.errors.hasPrefix("DTQ5003 DTQ_PAYLOAD_KEYS: there is no file /data/missing. Nothing was done."))
        options.variables = ["DTQ_PAYLOAD_KEYS": "/"]
        let folder = await (try Bench.withHub(options)).run("status", "o-1")
        #expect(folder.code == 2)
        #expect(folder.errors.hasPrefix("DTQ5003 DTQ_PAYLOAD_KEYS: cannot read /: Is a directory."), "\(folder.errors)")
        try await withKeyFile("\n# the first one writes\n\nk1 AAAA") { path, options in
            let wrong = await (try Bench.withHub(options)).run("status", "o-1")
            #expect(wrong.code == 2)
            #expect(
                wrong.errors.hasPrefix("DTQ5003 DTQ_PAYLOAD_KEYS: file \(path): key \"k1\" has 3 bytes, a key has 32."),
                "\(wrong.errors)")
        }
    }
}
