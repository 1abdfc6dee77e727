import DurableBackend
import DurableClient
import DurableCore
import DurableEngine
import DurableMemory
import DurableSQLite
import DurableTask
import DurableWire
import DurableWorker
import Testing

private let account = Entity("Account", initial: 0)
private let deposit = account.operation("deposit") { (balance: inout Int, amount: Int) -> Int in
    balance += amount
    return balance
}
private let withdraw = account.operation("withdraw") { (balance: inout Int, amount: Int) -> Int in
    if balance < amount { throw Overdrawn(missing: amount - balance) }
    balance -= amount
    return balance
}
private let read = account.operation("read") { (balance: inout Int) in balance }

private struct Overdrawn: Error { var missing: Int }

private struct Transfer: Codable, Sendable {
    var from: String
    var to: String
    var amount: Int
}

/// Moves money while nobody else gets at the two.
private let transfer = Orchestration("Transfer") { (order: Transfer, context: OrchestrationContext) -> Bool in
    try await context.lock([account[order.from], account[order.to]]) {
        guard try await context.call(read, on: order.from) >= order.amount else { return false }
        _ = try await context.call(withdraw, on: order.from, order.amount)
        _ = try await context.call(deposit, on: order.to, order.amount)
        return true
    }
}

@Suite("Entities on the engine") struct EntityTests {
    private var items: [any Registrable] { [deposit, withdraw, read, transfer] }

    private func balance(_ hub: EngineHarness, _ key: String) async throws -> Int? {
        guard let state = try await hub.snapshot(account[key].instanceID.value)?.entity?.state else { return nil }
        return Int(state.text)
    }

    private func isUnlocked(_ hub: EngineHarness, _ key: String) async throws -> Bool {
        guard let entity = try await hub.snapshot(account[key].instanceID.value)?.entity else { return true }
        return entity.lock == nil
    }

    @Test("Operations change the state one at a time; failures reach the caller and leave the state")
    func calls() async throws {
        let caller = Orchestration("Caller") { (context: OrchestrationContext) -> [String] in
            var said = ["\(try await context.call(deposit, on: "a", 5))"]
            do {
                _ = try await context.call(withdraw, on: "a", 7)
            } catch let failure as EntityOperationFailure {
                said.append(failure.details.errorType)
            }
            context.signal(deposit, on: "a", 10)
            said.append("\(try await context.call(read, on: "a"))")
            return said
        }
        let hub = try await EngineHarness(partitions: 4)
        let worker = try hub.startWorker("w1", items + [caller])
        try await hub.start("Caller", id: "c")
        #expect(try await hub.wait(for: "c", .completed).output == Payload(#"["5","Overdrawn","15"]"#))
        #expect(try await balance(hub, "a") == 15)
        let snapshot = try await hub.snapshot(account["a"].instanceID.value)
        #expect(snapshot?.historyCount == 0 && snapshot?.inboxCount == 0)
        try await worker.stop()
    }

    @Test("A client's signals are applied once each, over owners, and its state can be read") func signals()
        async throws
    {
        let hub = try await EngineHarness()
        let first = try hub.startWorker("w1", items)
        let client = hub.connectedClient()
        try await hub.moving { () async throws in
            for number in 1...20 { try await client.signal(deposit, on: "a", number, requestID: "r-\(number)") }
            try await client.signal(deposit, on: "a", 7, requestID: "r-7")
            #expect(try await client.state(of: account, "a") == 210)
        }
        hub.kill(first)
        let second = try hub.startWorker("w2", items)
        try await hub.moving { () async throws in
            try await client.signal(deposit, on: "a", 7, requestID: "r-7")
            try await client.signal(deposit, on: "a", 1, requestID: "r-21")
            #expect(try await client.state(of: account, "a") == 211)
            #expect(try await client.state(of: account, "b") == nil)
        }
        await client.close()
        try await second.stop()
    }

    @Test(
        "Transfers in critical sections lose no money and leave no lock, whoever is killed", arguments: [0, 64 << 20])
    func transfers(cacheBytes: Int) async throws {
        let hub = try await EngineHarness(partitions: 4)
        func start(_ name: String) throws -> RunningWorker {
            try hub.startWorker(name, items) { $0.engine.cacheBytes = cacheBytes }
        }
        let first = try start("w1")
        let client = hub.connectedClient()
        let keys = ["a", "b", "c", "d", "e"]
        try await hub.moving { () async throws in
            for key in keys { try await client.signal(deposit, on: key, 100) }
        }
        let count = 40
        for number in 0..<count {
            let (from, to) = (keys[number % 5], keys[(number * 2 + 1) % 5])
            let input = #"{"from":"\#(from)","to":"\#(to == from ? "a" : to)","amount":\#(number * 3)}"#
            try await hub.start("Transfer", id: "t-\(number)", input: input)
        }
        hub.kill(first)
        let second = try start("w2")
        for number in 0..<count { try await hub.wait(for: "t-\(number)", .completed) }
        try await hub.eventually("all locks to be gone") {
            for key in keys where try await !isUnlocked(hub, key) { return false }
            return true
        }
        var sum = 0
        for key in keys { sum += try await balance(hub, key) ?? 0 }
        #expect(sum == 500)
        await client.close()
        try await second.stop()
    }

    @Test(
        "A section ends with its orchestration, however that ends, also on its way to its entities",
        arguments: ["fail", "terminate", "continueAsNew", "terminateWaiting"])
    func ends(_ way: String) async throws {
        let holder = Orchestration("Holder") { (way: String, context: OrchestrationContext) in
            if way == "done" { return }
            try await context.lock([account["a"], account["b"]]) {
                try await context.waitForExternalEvent("go")
                // Not through the end of this scope.
                context.setCustomStatus("holds")
                if way == "continueAsNew" { try context.continueAsNew("done") }
                throw Overdrawn(missing: 1)
            }
        }
        let hub = try await EngineHarness(partitions: 4)
        let worker = try hub.startWorker("w1", items + [holder])
        try await hub.start("Holder", id: "h", input: "\"\(way)\"")
        try await hub.eventually("the lock") {
            let a = try await isUnlocked(hub, "a")
            let b = try await isUnlocked(hub, "b")
            return !a && !b
        }
        if way == "terminateWaiting" {
            // It has neither, and waits at the first.
            try await hub.start("Holder", id: "w", input: "\"wait\"")
            try await hub.wait(for: "w", .running)
            try await hub.terminate("w", message: "end-w")
            try await hub.wait(for: "w", .terminated)
        }
        if way == "terminate" || way == "terminateWaiting" {
            try await hub.terminate("h", message: "end")
        } else {
            try await hub.raise("go", to: "h", message: "go")
        }
        try await hub.eventually("the end") { try await hub.snapshot("h")?.status.isTerminal == true }
        try await hub.eventually("all locks to be gone") {
            let a = try await isUnlocked(hub, "a")
            let b = try await isUnlocked(hub, "b")
            return a && b
        }
        // Others get them.
        try await hub.start("Transfer", id: "t", input: #"{"from":"a","to":"b","amount":0}"#)
        #expect(try await hub.wait(for: "t", .completed).output == Payload("true"))
        try await worker.stop()
    }

    @Test("What a critical section must not do is refused") func rules() async throws {
        let breaker = Orchestration("Breaker") { (context: OrchestrationContext) -> [Bool] in
            func isRefused(_ body: () async throws -> Void) async -> Bool {
                do {
                    try await body()
                    return false
                } catch {
                    return error is CriticalSectionError
                }
            }
            return try await context.lock([account["a"]]) {
                [
                    await isRefused { _ = try await context.call(read, on: "b") },
                    await isRefused { try await context.lock([account["b"]]) {} },
                    await isRefused {
                        _ = try await context.callSubOrchestration(
                            transfer, Transfer(from: "a", to: "b", amount: 0))
                    },
                    await isRefused { _ = try await context.call(read, on: "a") },
                ]
            }
        }
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w1", items + [breaker])
        try await hub.start("Breaker", id: "x")
        #expect(try await hub.wait(for: "x", .completed).output == Payload("[true,true,true,false]"))
        try await worker.stop()
    }

    @Test("Entities signal each other and start orchestrations") func sending() async throws {
        let book = Entity("Book", initial: 0)
        let note = book.operation("note") { (sum: inout Int, amount: Int, context: EntityContext) in
            sum += amount
            context.signal(deposit, on: context.id.key, amount)
            context.startOrchestration(
                transfer, Transfer(from: context.id.key, to: "z", amount: 1), instanceID: InstanceID("started"))
            return NoValue()
        }
        let hub = try await EngineHarness(partitions: 4)
        let worker = try hub.startWorker("w1", items + [note])
        let client = hub.connectedClient()
        _ = try await hub.moving { try await client.signal(note, on: "k", 9) }
        #expect(try await hub.wait(for: "started", .completed).output == Payload("true"))
        #expect(try await balance(hub, "k") == 8)
        #expect(try await balance(hub, "z") == 1)
        await client.close()
        try await worker.stop()
    }

    @Test("An empty entity has ended, and begins anew; what it has applied it still knows") func empty() async throws {
        let hub = try await EngineHarness()
        let first = try hub.startWorker("w1", items)
        let client = hub.connectedClient()
        let id = account["a"].instanceID.value
        try await hub.moving { () async throws in
            try await client.signal(deposit, on: "a", 7, requestID: "r-1")
            try await client.signal(account.deletion, on: "a", requestID: "r-2")
        }
        try await hub.eventually("its end") { try await hub.snapshot(id)?.status == .completed }
        #expect(try await balance(hub, "a") == nil)
        hub.kill(first)
        let second = try hub.startWorker("w2", items)
        try await hub.moving { () async throws in
            // A repeat does not bring it back.
            try await client.signal(deposit, on: "a", 7, requestID: "r-1")
            #expect(try await client.state(of: account, "a") == nil)
            try await client.signal(deposit, on: "a", 2, requestID: "r-3")
            try await client.signal(deposit, on: "a", 7, requestID: "r-1")
        }
        try await hub.eventually("its state") { try await balance(hub, "a") == 2 }
        #expect(try await hub.snapshot(id)?.status == .running)
        await client.close()
        try await second.stop()
    }

    @Test("Commands to orchestrations are no business of entities, and starts of their IDs are refused") func others()
        async throws
    {
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w1", items)
        let client = hub.connectedClient()
        let id = account["a"].instanceID
        try await hub.moving { () async throws in
            try await client.signal(deposit, on: "a", 7)
            await #expect(throws: ClientError.self) { try await client.terminate(id) }
            await #expect(throws: ClientError.self) { try await client.raiseEvent("x", to: id) }
            await #expect(throws: ClientError.self) {
                try await client.start(transfer, input: Transfer(from: "a", to: "b", amount: 0), id: id)
            }
            // Any AMQP client may try.
            try await hub.terminate(id.value, message: "end")
            #expect(try await client.state(of: account, "a") == 7)
        }
        await client.close()
        try await worker.stop()
    }

    @Test("Messages for an entity that no worker has code for wait") func noCode() async throws {
        let hub = try await EngineHarness()
        let first = try hub.startWorker("w1", [transfer])
        let client = hub.connectedClient()
        try await hub.moving { () async throws in try await client.signal(deposit, on: "a", 3) }
        try await hub.eventually("the hold") {
            try await hub.snapshot(account["a"].instanceID.value)?.holdCode == "DTQ2005"
        }
        try await first.stop()
        let second = try hub.startWorker("w2", items)
        try await hub.eventually("the signal") { try await balance(hub, "a") == 3 }
        await client.close()
        try await second.stop()
    }

    @Test("Ten thousand operations on one entity leave no history, and few records") func many() async throws {
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w1", items)
        let client = hub.client
        let topology = hub.topology
        for batch in 0..<100 {
            let messages = (0..<100).map { number in
                Message(
                    id: MessageID("s-\(batch)-\(number)"), instanceID: account["a"].instanceID,
                    event: HistoryEvent(
                        timestamp: hub.clock.now(),
                        kind: .entityOperationSignaled(
                            EntitySignal(requestID: "", operation: "deposit", input: Payload("1")))))
            }
            _ = try await client.publish([
                topology.controlMessage(messages, to: PartitionID(0), through: .client, at: hub.clock.now())
            ])
        }
        try await hub.eventually("all of them") { try await balance(hub, "a") == 10_000 }
        let snapshot = try await hub.snapshot(account["a"].instanceID.value)
        #expect(snapshot?.historyCount == 0)
        try await worker.stop()
        let store = try hub.storage.open(PartitionID(0)).store
        // A checkpoint a delivery at most, of which there were 100.
        #expect(try store.recover().position.value < 250)
        // Its state, and the IDs of the last 128 signals.
        #expect(try #require(try store.instance(account["a"].instanceID)).wireBytes.count < 4096)
    }
}
