import Durable
import DurableClient
import DurableCore
import DurablePayloads
import DurableTask
import Foundation
import Testing

@Suite("Clients and workers with the same payload options") struct PayloadClientTests {
    private static let long = String(repeating: "long and longer ", count: 20)

    private let flow = Orchestration("Flow") { (text: String, context: OrchestrationContext) in
        context.setCustomStatus("\(text) waits")
        return text + (try await context.waitForExternalEvent("more", as: String.self))
    }

    private func withDirectory(_ body: (String) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.path + "/dtq-payload-client-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await body(directory)
    }

    private func options(_ directory: String, threshold: Int = 100) throws -> PayloadOptions {
        let keys = try PayloadKeys(current: "k1", keys: ["k1": Array(repeating: 3, count: 32)])
        return PayloadOptions(
            codecs: [PayloadCompression(), PayloadEncryption(keys)],
            store: FileSystemPayloadStore(directory: "\(directory)/payloads"), storeThreshold: threshold)
    }

    @Test("What a client sends, asks and gets is opened for it, and kept encrypted") func roundTrip() async throws {
        try await withDirectory { directory in
            let hub = try await TaskHub.embedded(
                path: "\(directory)/hub", flow, payloads: try options(directory), logger: EngineHarness.logger("hub"))
            let id = InstanceID("o-1")
            #expect(try await hub.client.start(flow, input: Self.long, id: id).answer == .created)
            try await hub.client.raiseEvent("more", to: id, "and more")
            #expect(try await hub.client.output(of: flow, id) == "\(Self.long)and more")
            let status = try #require(try await hub.client.status(of: id))
            #expect(status.input == Payload("\"\(Self.long)\""))
            #expect(status.customStatus == Payload("\"\(Self.long) waits\""))
            #expect(try await hub.client.history(of: id)?.executionStarted?.input == status.input)
            // As it is kept.
            let kept = try #require(try await hub.core.status(of: id))
            #expect(kept.input?.sealedDescription?.hasPrefix("stored, ") == true)
            await hub.stop()
            let files = FileManager.default.enumerator(atPath: "\(directory)/payloads")?.allObjects as? [String] ?? []
            #expect(files.contains { $0.contains("/o-1") })
        }
    }

    @Test("A client without the keys gets what it cannot open as it is, and an error for an output")
    func clientWithoutKeys() async throws {
        try await withDirectory { directory in
            let hub = try await TaskHub.embedded(
                path: "\(directory)/hub", flow, payloads: try options(directory, threshold: 1 << 20),
                logger: EngineHarness.logger("hub"))
            let id = InstanceID("o-1")
            try await hub.client.start(flow, input: "a", id: id)
            try await hub.client.raiseEvent("more", to: id, "b")
            #expect(try await hub.client.output(of: flow, id) == "ab")
            let plain = TaskHubClient(
                HubClient(descriptor: hub.core.descriptor, transport: hub.core.transport, clock: hub.core.clock))
            #expect(try await plain.status(of: id)?.output?.isInEnvelope == true)
            do {
                _ = try await plain.output(of: flow, id)
                Issue.record("it was read")
            } catch let error as ClientError {
                #expect(error.code == .payloadSealed)
                #expect(error.text.contains("it is encrypted with key \"k1\", and this process has no codecs"))
            }
            await plain.close()
            await hub.stop()
        }
    }
}
