import DurableBackend
import DurablePayloads
import DurableTestKit
import Testing

@Suite("Payload options in the test kit") struct PayloadTests {
    private struct Reversal: PayloadCodec {
        var isBroken = false
        var name: String { "reversal" }
        func encode(_ content: [UInt8]) throws -> EncodedPayload? { EncodedPayload(content: content.reversed()) }
        func decode(_ encoded: EncodedPayload) throws -> [UInt8] {
            if isBroken { throw PayloadCodecError(isCurable: false, reason: "it is upside down") }
            return encoded.content.reversed()
        }
    }

    private let work = Activity("Work") { (text: String, _: ActivityContext) in text.uppercased() }
    private var flow: Orchestration<String, String> {
        Orchestration("Flow") { [work] (text: String, context: OrchestrationContext) in
            try await context.callActivity(work, text) + (try await context.waitForExternalEvent("more"))
        }
    }

    @Test("Everything goes through the codecs and back, and histories can be read") func passesThroughCodecs()
        async throws
    {
        let keys = try PayloadKeys(current: "k1", keys: ["k1": Array(repeating: 1, count: 32)])
        let environment = try TestOrchestrationEnvironment(
            work,
            payloads: PayloadOptions(
                codecs: [Reversal(), PayloadEncryption(keys)],
                store: FileSystemPayloadStore(directory: "/nowhere"), storeThreshold: 10))
        let id = try environment.start(flow, input: "a")
        try environment.raiseEvent("more", to: id, "b")
        #expect(try await environment.output(of: flow, id) == "Ab")
        #expect(try environment.history(of: id).activities[0].input(as: String.self) == "a")
        try environment.assertReplaySafe()
    }

    @Test("A codec that does not undo what it did is found") func findsBrokenCodecs() async throws {
        let environment = try TestOrchestrationEnvironment(
            work, payloads: PayloadOptions(codecs: [Reversal(isBroken: true)]))
        do {
            try environment.start(flow, input: "a", id: InstanceID("o-1"))
            Issue.record("it was taken")
        } catch let error as OrchestrationTestError {
            #expect(error.code == .payloadUnusable)
            #expect(
                error.description
                    == "DTQ2018 instance \"o-1\": the input of orchestration \"Flow\": it is upside down. "
                    + "Nothing but the bytes that were written opens it; restore them, or terminate the instance")
        }
    }

    @Test("A recorded history is opened with the options of its hub") func opensHistories() async throws {
        let environment = try TestOrchestrationEnvironment(work)
        let id = try environment.start(flow, input: "a")
        try environment.raiseEvent("more", to: id, "b")
        _ = try await environment.output(of: flow, id)
        let plain = try environment.history(of: id)
        let keys = try PayloadKeys(current: "k1", keys: ["k1": Array(repeating: 1, count: 32)])
        let options = PayloadOptions(codecs: [PayloadEncryption(keys)])
        let pipeline = PayloadPipeline(options, hubID: "hub")
        var sealed = plain
        for index in sealed.events.indices {
            sealed.events[index].payload = try sealed.events[index].payload.map {
                try pipeline.seal($0, for: .init(id, ExecutionID("x"))).payload
            }
        }
        #expect(throws: PayloadError.self) { try sealed.output(as: String.self) }
        #expect(try await sealed.opened(with: options) == plain)
        try assertReplays(try await sealed.opened(with: options), flow)
        await #expect(throws: OrchestrationTestError.self) { try await sealed.opened(with: PayloadOptions()) }
    }
}
