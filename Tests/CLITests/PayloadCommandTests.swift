import DurableBackend
import DurableCLI
import DurableCore
import DurablePayloads
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

    private func bench(withKeys: Bool) async throws -> Bench {
        var options = Bench.Options()
        if withKeys {
            options.variables = ["DTQ_PAYLOAD_KEYS": "keys"]
            options.files = ["/data/keys": Self.keyFile]
        }
        return try await Bench.withHub(options)
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
        let bench = try await bench(withKeys: false)
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
        let bench = try await bench(withKeys: true)
        let owner = try await ScriptedOwner.serve(bench, try script())
        let status = await bench.run("status", "o-1")
        #expect(status.output.contains("input      {\"card\":\"4111\"}\n"))
        let history = await bench.run("history", "o-1", "--payloads")
        #expect(history.output.contains("Charge, input {\"card\":\"4111\"}"))
        withExtendedLifetime(owner) {}
    }

    @Test("With keys submit and raise encrypt what they send") func encryptsWhatItSends() async throws {
        let bench = try await bench(withKeys: true)
        let owner = try await ScriptedOwner.serve(bench)
        _ = await bench.run("submit", "ShipOrder", "--id", "o-2", "--input", Self.secret.text)
        _ = await bench.run("raise", "o-2", "paid", "--input", Self.secret.text)
        _ = await bench.run(
            ["submit", "ShipOrder", "--batch"], input: ["{\"id\":\"o-3\",\"input\":\(Self.secret.text)}\n"])
        let sent = owner.messages.map(\.event.payload)
        #expect(sent.count == 3)
        for payload in sent {
            let payload = try #require(payload)
            #expect(try pipeline.open(payload) == .payload(Self.secret))
            #expect(payload != Self.secret)
        }
    }

    @Test("A file of keys that cannot be used is wrong usage, and nothing is sent") func refusesKeyFile() async throws {
        var options = Bench.Options()
        options.variables = ["DTQ_PAYLOAD_KEYS": "/data/missing"]
        let missing = await (try Bench.withHub(options)).run("status", "o-1")
        #expect(missing.code == 2)
        #expect(
            missing.errors.hasPrefix("DTQ5003 file /data/missing of DTQ_PAYLOAD_KEYS cannot be read: no such file."))
        options.files = ["/data/missing": "k1 AAAA"]
        let wrong = await (try Bench.withHub(options)).run("status", "o-1")
        #expect(
            wrong.errors.hasPrefix(
                "DTQ5003 file /data/missing of DTQ_PAYLOAD_KEYS holds no keys: key \"k1\" has 3 bytes"))
    }
}
