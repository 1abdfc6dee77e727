import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurablePayloads
import DurableTask
import DurableWorker
import Testing

/// What tests of payloads on the engine share.
protocol PayloadBench {}

extension PayloadBench {
    var echo: Activity<String, String> {
        Activity("Echo") { (text: String, _: ActivityContext) in "\(text) echoed" }
    }
    var child: Orchestration<String, String> {
        Orchestration("Child") { (text: String, context: OrchestrationContext) in
            context.setCustomStatus(text)
            return "\(text) by a child"
        }
    }
    var flow: Orchestration<String, String> {
        Orchestration("Flow") { [echo, child] (text: String, context: OrchestrationContext) in
            let once = try await context.callActivity(echo, text)
            let twice = try await context.callSubOrchestration(child, once)
            let word: String = try await context.waitForExternalEvent("go")
            return "\(twice), \(word)"
        }
    }
    var all: [any Registrable] { [echo, child, flow] }

    func access(
        _ keys: String..., store: (any PayloadStore)? = nil, threshold: Int? = 100
    ) throws -> PayloadPipeline {
        var codecs: [any PayloadCodec] = []
        if let current = keys.first {
            let bytes = keys.map { ($0, Array(repeating: $0.utf8.reduce(UInt8(0), &+), count: 32)) }
            codecs = [
                PayloadEncryption(
                    try PayloadKeys(current: current, keys: Dictionary(uniqueKeysWithValues: bytes)))
            ]
        }
        return PayloadPipeline(
            PayloadOptions(codecs: codecs, store: store, storeThreshold: threshold), hubID: "hub-1")
    }

    /// Starts an instance as a client with the same options does.
    func start(
        _ hub: EngineHarness, _ name: String, id: String, _ input: String, _ access: any PayloadAccess
    ) async throws {
        let owner = PayloadOwner(InstanceID(id), ExecutionID("start-\(id)"))
        try await hub.start(name, id: id, payload: try await access.sealFully(Payload("\"\(input)\""), for: owner))
    }

    func raise(
        _ hub: EngineHarness, _ name: String, to id: String, _ data: String, _ access: any PayloadAccess
    ) async throws {
        let message = "\(name)-\(id)-\(data.count)"
        let owner = PayloadOwner(InstanceID(id), sentIn: MessageID(message))
        try await hub.raise(
            name, to: id, payload: try await access.sealFully(Payload("\"\(data)\""), for: owner), message: message)
    }

    func output(
        _ hub: EngineHarness, _ id: String, _ access: any PayloadAccess
    ) async throws -> String? {
        let snapshot = try await hub.wait(for: id, .completed)
        return try await access.openFully(snapshot.output)?.text
    }

    func isHeld(_ hub: EngineHarness, _ id: String, _ code: String) async throws -> Bool {
        try await hub.snapshot(id)?.holdCode == code
    }
}
