import DurableBackend
import DurableClient
import DurableCore
import DurableEngine
import DurableMemory
import DurablePayloads
import DurableTask
import DurableWorker
import Foundation
import Testing

private let notebook = Entity("Notebook", initial: [String]())
private let copy = notebook.operation("copy") { (pages: inout [String], text: String) in pages.append(text) }
private let reader = Orchestration("Reader") { (text: String, context: OrchestrationContext) in text }
/// Sends its input everywhere an operation may.
private let note = notebook.operation("note") {
    (pages: inout [String], text: String, context: EntityContext) -> String in
    pages.append(text)
    context.signal(copy, on: "copies", text)
    context.startOrchestration(reader, text, instanceID: InstanceID("reader-\(pages.count)"))
    return pages.joined(separator: "|")
}
private let grow = notebook.operation("grow") { (pages: inout [String], bytes: Int) -> Int in
    pages.append(String(repeating: "x", count: bytes))
    return pages.count
}
private let read = notebook.operation("read") { (pages: inout [String]) in pages }
private let flow = Orchestration("Flow") { (text: String, context: OrchestrationContext) -> String in
    let all = try await context.lock([notebook["a"], notebook["b"]]) { try await context.call(note, on: "a", text) }
    context.signal(copy, on: "b", text)
    return all
}

@Suite("Payloads of entities are sealed wherever they are kept and sent") struct EntityPayloadTests {
    private let items: [any Registrable] = [copy, note, grow, read, reader, flow]

    private func access(
        _ keys: String..., store: (any PayloadStore)? = nil, sizeLimit: Int = 64 << 20
    ) throws -> any PayloadAccess {
        guard let current = keys.first else { return PlainPayloads() }
        let bytes = keys.map { ($0, Array(repeating: $0.utf8.reduce(UInt8(0), &+), count: 32)) }
        let codec = PayloadEncryption(
            try PayloadKeys(current: current, keys: Dictionary(uniqueKeysWithValues: bytes)))
        return PayloadPipeline(
            PayloadOptions(codecs: [codec], store: store, storeThreshold: 100, sizeLimit: sizeLimit), hubID: "hub-1")
    }

    private func kept(_ hub: EngineHarness, _ key: String) async throws -> Payload? {
        try await hub.snapshot(notebook[key].instanceID.value)?.entity?.state
    }

    /// Waits for what an entity keeps, as that client reads it; nobody may serve it yet.
    private func wait(_ hub: EngineHarness, _ client: TaskHubClient, _ key: String, _ pages: [String]) async throws {
        try await hub.eventually("the state of \(key)") {
            (try? await hub.moving { try await client.state(of: notebook, key) }) == pages
        }
    }

    /// Whether the bytes stand in any file of the hub.
    private func isOnDisk(_ text: String, _ hub: EngineHarness) throws -> Bool {
        let names = FileManager.default.enumerator(atPath: hub.directory)?.allObjects as? [String] ?? []
        return try names.contains { name in
            let path = "\(hub.directory)/\(name)"
            var isDirectory: ObjCBool = false
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), !isDirectory.boolValue
            else { return false }
            return try Data(contentsOf: URL(fileURLWithPath: path)).range(of: Data(text.utf8)) != nil
        }
    }

    @Test("Nothing stands plain in messages, records and tables once it is encrypted", arguments: [false, true])
    func encrypts(isEncrypted: Bool) async throws {
        let secret = "the secret of the entity"
        let hub = try await EngineHarness(partitions: 4)
        let sent = PlatformLock([Data]())
        hub.broker.setFaults(
            FaultPlan { point in
                if case .publish(let messages) = point.call {
                    sent.withLock { $0 += messages.map { Data($0.body) } }
                }
                return .none
            })
        let access = isEncrypted ? try access("k1") : PlainPayloads()
        let first = try hub.startWorker("w1", items, payloads: access)
        let client = hub.connectedClient(access)
        try await hub.moving { () async throws in
            try await client.signal(note, on: "a", "\(secret) 1")
        }
        try await wait(hub, client, "a", ["\(secret) 1"])
        try await hub.moving { () async throws in
            try await client.start(flow, input: "\(secret) 2", id: InstanceID("f"))
        }
        try await hub.wait(for: "f", .completed)
        try await hub.moving { () async throws in
            #expect(try await client.output(of: flow, InstanceID("f")) == "\(secret) 1|\(secret) 2")
        }
        try await first.stop()
        let second = try hub.startWorker("w2", items, payloads: access)
        try await hub.moving { () async throws in
            try await client.start(flow, input: "\(secret) 3", id: InstanceID("g"))
        }
        // Perhaps nobody has served its partition yet.
        try await hub.wait(for: "g", .completed)
        try await hub.eventually("its reader") { try await hub.snapshot("reader-3")?.status == .completed }
        try await hub.moving { () async throws in
            #expect(try await client.output(of: flow, InstanceID("g")) == "\(secret) 1|\(secret) 2|\(secret) 3")
            #expect(try await client.output(of: reader, InstanceID("reader-3")) == "\(secret) 3")
        }
        try await wait(hub, client, "copies", [1, 2, 3].map { "\(secret) \($0)" })
        try await wait(hub, client, "b", [2, 3].map { "\(secret) \($0)" })
        for key in ["a", "b", "copies"] { #expect(try await kept(hub, key)?.isSealed == isEncrypted) }
        #expect(
            try await hub.moving { try await client.status(of: notebook["b"].instanceID) }?.entity?.state?.isSealed
                == false)
        await client.close()
        try await second.stop()
        #expect(sent.withLock { $0.contains { $0.range(of: Data(secret.utf8)) != nil } } == !isEncrypted)
        #expect(try isOnDisk(secret, hub) == !isEncrypted)
    }

    @Test("An owner without the key holds the entity, which keeps what comes, and one that has it goes on")
    func holdsWithoutKey() async throws {
        let hub = try await EngineHarness()
        let old = try access("k1")
        let client = hub.connectedClient(old)
        let first = try hub.startWorker("w1", items, payloads: old)
        try await hub.moving { () async throws in
            try await client.signal(copy, on: "a", "1")
        }
        try await wait(hub, client, "a", ["1"])
        try await first.stop()
        let other = try hub.startWorker("w2", items, payloads: try access("k2"))
        try await hub.moving { () async throws in
            try await client.signal(copy, on: "a", "2")
            // No state yet, but an input that this worker cannot read.
            try await client.signal(copy, on: "b", "3")
        }
        for key in ["a", "b"] {
            try await hub.eventually("the hold of \(key)") {
                try await hub.snapshot(notebook[key].instanceID.value)?.holdCode == "DTQ2018"
            }
        }
        try await other.stop()
        let both = try hub.startWorker("w3", items, payloads: try access("k2", "k1"))
        let reader = hub.connectedClient(try access("k2", "k1"))
        try await wait(hub, reader, "a", ["1", "2"])
        try await wait(hub, reader, "b", ["3"])
        #expect(try await kept(hub, "a")?.sealedDescription?.hasPrefix("encrypted with key \"k2\"") == true)
        await client.close()
        await reader.close()
        try await both.stop()
    }

    @Test("An input that nobody can open fails its operation and keeps up no other", arguments: [false, true])
    func unreadable(isStored: Bool) async throws {
        let hub = try await EngineHarness()
        let access = try access("k1", store: GatedPayloadStore())
        let worker = try hub.startWorker("w1", items, payloads: access)
        var broken: Payload
        if isStored {
            broken = try #require(
                try await access.sealFully(
                    Payload("\"\(String(repeating: "long ", count: 50))\""),
                    for: PayloadOwner(notebook["a"].instanceID, sentIn: MessageID("s-1"))))
        } else {
            broken = try access.encode(Payload("\"x\""))
            broken.bytes[broken.count - 1] ^= 1
        }
        let inputs = [try access.encode(Payload("\"1\"")), broken, try access.encode(Payload("\"2\""))]
        for (number, input) in inputs.enumerated() {
            try await hub.send(
                .entityOperationSignaled(
                    EntitySignal(requestID: "", operation: "copy", input: input)), to: notebook["a"].instanceID.value,
                message: "s-\(number)")
        }
        let client = hub.connectedClient(access)
        try await wait(hub, client, "a", ["1", "2"])
        #expect(try await hub.snapshot("@Notebook@a")?.holdCode == nil)
        await client.close()
        try await worker.stop()
    }

    @Test("However large, what an entity keeps and is sent never goes to the store; past the limit operations fail")
    func large() async throws {
        let hub = try await EngineHarness()
        let store = GatedPayloadStore()
        store.fail("nobody is to ask it")
        let access = try access("k1", store: store)
        let grower = Orchestration("Grower") { (sizes: [Int], context: OrchestrationContext) -> [String] in
            var said: [String] = []
            for size in sizes {
                do {
                    said.append("\(try await context.call(grow, on: "a", size))")
                } catch let failure as EntityOperationFailure {
                    said.append(failure.details.errorType)
                }
            }
            return said
        }
        func start(_ name: String) throws -> RunningWorker {
            try hub.startWorker(name, items + [grower], payloads: access)
        }
        let first = try start("w1")
        let client = hub.connectedClient(access)
        try await hub.moving { () async throws in
            try await client.start(grower, input: [500_000, 500_000, 500_000, 10], id: InstanceID("g"))
        }
        try await hub.wait(for: "g", .completed)
        try await hub.moving { () async throws in
            #expect(
                try await client.output(of: grower, InstanceID("g")) == ["1", "2", "PayloadTooLarge", "3"])
        }
        #expect(try #require(try await kept(hub, "a")).count > 1_000_000)
        hub.kill(first)
        let second = try start("w2")
        try await hub.moving { () async throws in
            // An input over the store's threshold.
            try await client.signal(copy, on: "a", String(repeating: "y", count: 20_000))
        }
        try await wait(
            hub, client, "a",
            [(500_000, "x"), (500_000, "x"), (10, "x"), (20_000, "y")].map { String(repeating: $0.1, count: $0.0) })
        #expect(store.contents.isEmpty && store.getCount == 0)
        await client.close()
        try await second.stop()
    }

    @Test("What would not be opened again, since it is over the codecs' limit, is not kept either") func sizeLimit()
        async throws
    {
        let hub = try await EngineHarness()
        let access = try access("k1", sizeLimit: 1000)
        let worker = try hub.startWorker("w1", items, payloads: access)
        let client = hub.connectedClient(access)
        try await hub.moving { () async throws in
            for size in [600, 600, 100] { try await client.signal(grow, on: "a", size) }
            await #expect(throws: ClientError.self) {
                try await client.signal(copy, on: "a", String(repeating: "y", count: 1001))
            }
        }
        try await wait(hub, client, "a", [600, 100].map { String(repeating: "x", count: $0) })
        await client.close()
        try await worker.stop()
    }
}
