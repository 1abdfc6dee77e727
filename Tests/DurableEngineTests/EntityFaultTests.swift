import DurableBackend
import DurableClient
import DurableCore
import DurableEngine
import DurableMemory
import DurableTask
import DurableWorker
import Foundation
import Testing

private let account = Entity("Account", initial: 0)
private let deposit = account.operation("deposit") { (balance: inout Int, amount: Int) -> Int in
    balance += amount
    return balance
}
private let read = account.operation("read") { (balance: inout Int) in balance }

private struct Move: Codable, Sendable {
    var from: String
    var to: String
    var amount: Int
}

private let move = Orchestration("Move") { (move: Move, context: OrchestrationContext) -> Int in
    try await context.lock([account[move.from], account[move.to]]) {
        _ = try await context.call(deposit, on: move.from, -move.amount)
        return try await context.call(deposit, on: move.to, move.amount)
    }
}

/// What no history tells of.
private let outside = Barrier()

/// Holds two accounts for as long as it is left to.
private let holder = Orchestration("Holder") { (way: String, context: OrchestrationContext) in
    try await context.lock([account["a"], account["b"]]) {
        if way == "escapes" { await outside.pass() }
        try await context.waitForExternalEvent("go")
    }
}

@Suite("Entities when things go wrong") struct EntityFaultTests {
    private let items: [any Registrable] = [deposit, read, move, holder]

    /// - Returns: nil when nobody answers; an entity that is not there is empty.
    private func entity(_ hub: EngineHarness, _ key: String) async throws -> EntityState? {
        let id = account[key].instanceID
        return switch try await hub.ask(.status(id), partition: id.partition(of: hub.topology.partitionCount).index) {
        case .status(let snapshot)?: snapshot.entity
        case .notFound?: EntityState()
        default: nil
        }
    }

    /// - Returns: nil when nobody answers, or there is none.
    private func balance(_ hub: EngineHarness, _ key: String) async throws -> Int? {
        try await entity(hub, key)?.state.flatMap { Int($0.text) }
    }

    /// - Returns: nil when somebody does not answer; by key, who has it locked, or `-`.
    private func holders(_ hub: EngineHarness, _ keys: [String] = ["a", "b"]) async throws -> [String]? {
        var holders: [String] = []
        for key in keys {
            guard let entity = try await entity(hub, key) else { return nil }
            holders.append(entity.lock?.parent.value ?? "-")
        }
        return holders
    }

    /// What is so by now, once somebody answers.
    private func answer<Value>(
        _ hub: EngineHarness, _ look: (EngineHarness) async throws -> Value?
    ) async throws -> Value? {
        var value: Value?
        try await hub.eventually("an answer") {
            value = try await look(hub)
            return value != nil
        }
        return value
    }

    /// A key whose entity is in that partition.
    private func key(in partition: Int, of hub: EngineHarness) throws -> String {
        try #require(
            (0..<1000).lazy.map { "k\($0)" }.first {
                account[$0].instanceID.partition(of: hub.topology.partitionCount).index == partition
            })
    }

    // MARK: - Crashes and repeats

    enum Accident: CaseIterable {
        /// The worker is gone before the broker sees the message.
        case kill
        /// The broker has the message, the worker does not know, and goes on as a new owner.
        case loseAnswer
    }

    @Test(
        "Whichever message of a section over three partitions its sender loses, nobody stays locked and nothing runs twice",
        arguments: Accident.allCases)
    func accidents(_ accident: Accident) async throws {
        var point = 1
        while try await meets(accident, atMessage: point) { point += 1 }
        // Two requests, the grant, two calls with their answers, two ends: all between partitions.
        #expect(point > 9)
    }

    /// - Returns: false when there was no such message.
    private func meets(_ accident: Accident, atMessage point: Int) async throws -> Bool {
        let hub = try await EngineHarness(partitions: 3)
        let (from, to) = (try key(in: 1, of: hub), try key(in: 2, of: hub))
        let id = try #require((0..<100).map { InstanceID("m\($0)") }.first { $0.partition(of: 3).index == 0 })
        let first = try hub.startWorker("w1", items)
        let (count, isMet) = (Counter(), PlatformLock(false))
        hub.broker.setFaults(
            FaultPlan { [broker = hub.broker] call in
                guard call.transport == "w1", case .publish(let messages) = call.call,
                    messages.contains(where: { $0.properties.type?.hasPrefix("Entity") == true }),
                    count.next() == point
                else { return .none }
                isMet.withLock { $0 = true }
                if accident == .loseAnswer { return .cutAfter }
                broker.kill("w1")
                return .none
            })
        try await hub.start("Move", id: id.value, input: #"{"from":"\#(from)","to":"\#(to)","amount":5}"#)
        var workers = [first]
        func replaceKilled() throws {
            guard accident == .kill, isMet.withLock({ $0 }), workers.count == 1 else { return }
            hub.kill(first)
            workers.append(try hub.startWorker("w2", items))
        }
        try await hub.eventually("the move (\(accident) at message \(point))") {
            try replaceKilled()
            return try await hub.snapshot(id.value)?.output == Payload("5")
        }
        try await hub.eventually("the end of the section (\(accident) at message \(point))") {
            try replaceKilled()
            let balances = [try await balance(hub, from), try await balance(hub, to)]
            return try await holders(hub, [from, to]) == ["-", "-"] && balances == [-5, 5]
        }
        // The same way back, which needs both to be free.
        try await hub.start("Move", id: "back", input: #"{"from":"\#(to)","to":"\#(from)","amount":5}"#)
        try await hub.eventually("the way back (\(accident) at message \(point))") {
            try replaceKilled()
            return try await hub.snapshot("back")?.output == Payload("0")
        }
        let last = try await answer(hub) {
            try replaceKilled()
            return try await balance($0, to)
        }
        #expect(last == 0, "\(accident) at message \(point)")
        try await workers[workers.count - 1].stop()
        return isMet.withLock { $0 }
    }

    @Test("Repeats of every message of a section change nothing, while it holds and when it has ended")
    func repeats() async throws {
        let hub = try await EngineHarness(partitions: 3)
        let sent = PlatformLock([OutgoingMessage]())
        hub.broker.setFaults(
            FaultPlan { call in
                guard call.transport == "w1", case .publish(let messages) = call.call else { return .none }
                sent.withLock { $0 += messages.filter { $0.properties.type?.hasPrefix("Entity") == true } }
                return .none
            })
        let worker = try hub.startWorker("w1", items)
        func repeatAll() async throws {
            let messages = sent.withLock { $0 }
            #expect(!messages.isEmpty)
            _ = try await hub.client.publish(messages)
            // What is behind the repeats has been handled, so they have.
            for key in ["x", "y", "z", "u", "v", "w"] {
                let before = try #require(try await answer(hub) { try await entity($0, key) }).state?.text ?? "0"
                try await hub.send(
                    .entityOperationSignaled(
                        EntitySignal(requestID: "", operation: "deposit", input: Payload("1"))),
                    to: account[key].instanceID.value, message: UUID().uuidString)
                try await hub.eventually("\(key)") { try await balance(hub, key) == (Int(before) ?? 0) + 1 }
            }
        }
        try await hub.start("Holder", id: "h", input: "\"waits\"")
        try await hub.eventually("the section") { try await holders(hub) == ["h", "h"] }
        try await repeatAll()
        #expect(try await answer(hub) { try await holders($0) } == ["h", "h"])
        try await hub.raise("go", to: "h", message: "go")
        try await hub.wait(for: "h", .completed)
        try await hub.start("Move", id: "m", input: #"{"from":"a","to":"b","amount":5}"#)
        try await hub.wait(for: "m", .completed)
        try await hub.eventually("the end") { try await holders(hub) == ["-", "-"] }
        try await repeatAll()
        #expect(try await answer(hub) { try await holders($0) } == ["-", "-"])
        #expect(try await answer(hub) { try await balance($0, "a") } == -5)
        #expect(try await answer(hub) { try await balance($0, "b") } == 5)
        #expect(hub.deadLetters().isEmpty)
        try await worker.stop()
    }

    // MARK: - Ends of a holder

    @Test(
        "A section ends also where its orchestration is purged, another takes its ID, or it was held",
        arguments: ["purged", "replaced", "escapes", "cancelled"])
    func ends(_ way: String) async throws {
        let hub = try await EngineHarness(partitions: 4)
        let worker = try hub.startWorker("w1", items)
        let client = hub.connectedClient()
        let id = InstanceID("h")
        try await hub.start("Holder", id: "h", input: "\"\(way)\"")
        try await hub.eventually("the section") { try await holders(hub) == ["h", "h"] }
        switch way {
        case "purged":
            try await hub.terminate("h", message: "end")
            try await hub.wait(for: "h", .terminated)
            #expect(try await hub.moving { try await client.purge(id) }?.instanceCount == 1)
        case "replaced":
            try await hub.moving { () async throws in
                try await client.start(
                    move, input: Move(from: "c", to: "d", amount: 1), id: id,
                    idReuse: IDReuse(running: .terminate))
            }
            #expect(try await hub.wait(for: "h", .completed).name == "Move")
        case "escapes":
            try await hub.eventually("the hold") { try await hub.snapshot("h")?.holdCode == "DTQ2001" }
            // As long as somebody may still let it go on.
            #expect(try await answer(hub) { try await holders($0) } == ["h", "h"])
            try await hub.terminate("h", message: "end")
            outside.open()
        default:
            _ = try await hub.moving { try await client.cancel(id) }
            try await hub.wait(for: "h", .canceled)
        }
        try await hub.start("Move", id: "m", input: #"{"from":"a","to":"b","amount":5}"#)
        #expect(try await hub.wait(for: "m", .completed).output == Payload("5"))
        try await hub.eventually("the end") { try await holders(hub) == ["-", "-"] }
        await client.close()
        try await worker.stop()
    }

    // MARK: - Operations that fail, entities that are empty

    private struct Refused: Error {}

    @Test("What an operation did before it threw is undone: its state, its signals, what it started, its removal")
    func throwing() async throws {
        let ledger = Entity("Ledger", initial: 1)
        let fail = ledger.operation("fail") { (sum: inout Int, amount: Int, context: EntityContext) -> Int in
            sum += amount
            context.signal(deposit, on: "a", amount)
            context.startOrchestration(
                move, Move(from: "a", to: "b", amount: amount), instanceID: InstanceID("started"))
            context.removeState()
            throw Refused()
        }
        let sum = ledger.operation("sum") { (sum: inout Int, more: Int) -> Int in
            sum += more
            return sum
        }
        let caller = Orchestration("Caller") { (context: OrchestrationContext) -> [String] in
            var said = ["\(try await context.call(sum, on: "l", 10))"]
            do {
                _ = try await context.call(fail, on: "l", 100)
            } catch let failure as EntityOperationFailure {
                said.append("\(failure.entity) \(failure.operation) \(failure.details.errorType)")
            }
            said.append("\(try await context.call(sum, on: "l", 0))")
            return said
        }
        let hub = try await EngineHarness(partitions: 2)
        let worker = try hub.startWorker("w1", items + [fail, sum, caller])
        try await hub.start("Caller", id: "c")
        #expect(
            try await hub.wait(for: "c", .completed).output == Payload(#"["11","@Ledger@l fail Refused","11"]"#))
        // Both would have come by now: partitions hand on messages in order.
        for key in ["a", "b"] {
            try await hub.start("Move", id: "m-\(key)", input: #"{"from":"\#(key)","to":"c","amount":0}"#)
            try await hub.wait(for: "m-\(key)", .completed)
            #expect(try await answer(hub) { try await balance($0, key) } == 0)
        }
        let started = InstanceID("started")
        #expect(
            try await answer(hub) { try await $0.ask(.status(started), partition: started.partition(of: 2).index) }
                == .notFound)
        try await worker.stop()
    }

    @Test("An empty entity can be purged and begins anew, one that keeps something cannot") func purging()
        async throws
    {
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w1", items)
        let client = hub.connectedClient()
        let (full, empty) = (account["full"].instanceID, account["empty"].instanceID)
        try await hub.moving { () async throws in
            for key in ["full", "empty"] { try await client.signal(deposit, on: key, 1) }
            try await client.signal(account.deletion, on: "empty")
        }
        try await hub.wait(for: empty.value, .completed)
        try await hub.moving { () async throws in
            #expect(try await client.purge(empty)?.instanceCount == 1)
            #expect(try await client.purge(empty) == nil)
            await #expect(throws: ClientError.self) { try await client.purge(full) }
            #expect(try await client.state(of: account, "full") == 1)
            try await client.signal(deposit, on: "empty", 2)
        }
        try await hub.eventually("its state") { try await balance(hub, "empty") == 2 }
        await client.close()
        try await worker.stop()
    }

    @Test("Retention removes entities that are empty, and no others")
    func retention() async throws {
        let hub = try await EngineHarness(retention: .seconds(3600))
        let worker = try hub.startWorker("w1", items)
        let client = hub.connectedClient()
        try await hub.moving { () async throws in
            for key in ["full", "empty"] { try await client.signal(deposit, on: key, 1) }
            try await client.signal(account.deletion, on: "empty")
        }
        try await hub.wait(for: account["empty"].instanceID.value, .completed)
        try await hub.eventually("the removal", moving: .seconds(60)) {
            try await hub.ask(.status(account["empty"].instanceID)) == .notFound
        }
        #expect(try await answer(hub) { try await balance($0, "full") } == 1)
        await client.close()
        try await worker.stop()
    }
}
