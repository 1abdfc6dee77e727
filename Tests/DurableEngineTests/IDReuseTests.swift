import DurableBackend
import DurableClient
import DurableCore
import DurableEngine
import DurableMemory
import DurableTask
import DurableWire
import DurableWorker
import Testing

@Suite("IDs that are used again", .timeLimit(.minutes(5))) struct IDReuseTests {
    private let waiting = Orchestration("Waiting") { (context: OrchestrationContext) -> String in
        try await context.waitForExternalEvent("go")
    }
    private let failing = Orchestration("Failing") { (_: OrchestrationContext) -> String in
        throw FailureDetails(errorType: "Broken", message: "on purpose")
    }
    private let quick = Orchestration("Quick") { (number: Int, context: OrchestrationContext) -> Int in 2 * number }
    /// Waits for a child of that ID and an activity nobody runs.
    private let family = Orchestration("Family") { (id: String, context: OrchestrationContext) -> String in
        async let task: Int = context.callActivity("Nobody", 1, as: Int.self)
        let answer: String
        do {
            answer = try await context.callSubOrchestration("Waiting", instanceID: InstanceID(id))
        } catch let failure as SubOrchestrationFailure {
            return failure.details.errorType
        }
        return try await "\(answer) \(task)"
    }

    private func client(of hub: EngineHarness) -> HubClient {
        HubClient(descriptor: hub.descriptor, transport: hub.client, clock: hub.clock)
    }

    private func start(
        _ name: String, id: String, input: String? = nil, message: String, _ reuse: IDReuse, at hub: EngineHarness
    ) async throws {
        try await hub.send(start(name, id: id, input: input, message: message, reuse, now: hub.clock.now()))
    }

    private func start(
        _ name: String, id: String, input: String? = nil, message: String, _ reuse: IDReuse, now: Timestamp
    ) -> Message {
        var start = Message(
            id: MessageID(message), instanceID: InstanceID(id),
            event: HistoryEvent(
                timestamp: now,
                kind: .executionStarted(
                    ExecutionStarted(
                        name: name, input: input.map { Payload($0) }, instanceID: InstanceID(id),
                        executionID: ExecutionID(message)))))
        start.idReuse = reuse
        return start
    }

    /// A channel of its own on which the owner will tell of the instance's end.
    private func waitingChannel(for id: String, in hub: EngineHarness) async throws -> any ConsumerChannel {
        let channel = try await hub.client.openChannel()
        let queue = "\(hub.topology.name(.reply)).waiting"
        try await channel.declarePrivateQueue(
            name: queue, bindings: [PrivateBinding(exchange: hub.topology.name(.reply), routingKey: "waiting")])
        try await channel.consume(queue: queue, consumerTag: "replies", prefetch: 10, from: nil, exclusive: true)
        _ = try await hub.client.publish([
            OutgoingMessage(
                exchange: hub.topology.name(.client), routingKey: hub.topology.queryKey(PartitionID(0)),
                properties: MessageProperties(type: "Query", correlationID: "w", replyTo: "waiting"),
                body: Question.wait(InstanceID(id)).wireBytes)
        ])
        // Questions are answered in order.
        _ = try await hub.ask(.counts)
        return channel
    }

    private func handled(by hub: EngineHarness) async throws {
        let queue = hub.topology.queue(.control, PartitionID(0))
        try await hub.eventually("all messages to be handled") {
            hub.broker.readyMessages(in: queue).isEmpty && hub.broker.unacknowledgedCount(in: queue) == 0
        }
    }

    @Test("An ended instance gives way where the start allows it, and is gone with its history")
    func ended() async throws {
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w", [quick, failing])
        let client = client(of: hub)
        let (a, b) = (InstanceID("a"), InstanceID("b"))
        func again(_ id: InstanceID, _ ended: IDReuse.Ended) async throws -> Submission.Outcome {
            try await client.start(
                StartRequest(name: "Quick", id: id, input: Payload("7"), idReuse: IDReuse(ended: ended))
            ).outcome
        }
        _ = try await client.start(StartRequest(name: "Quick", id: a, input: Payload("1")))
        _ = try await client.start(StartRequest(name: "Failing", id: b))
        let first = try await hub.wait(for: "a", .completed)
        try await hub.wait(for: "b", .failed)
        #expect(try await again(a, .refuse) == .verdict(.exists))
        #expect(try await again(a, .allowUnlessCompleted) == .verdict(.exists))
        #expect(try await hub.snapshot("a")?.executionID == first.executionID)
        #expect(try await again(a, .allow) == .verdict(.created))
        #expect(try await again(b, .refuse) == .verdict(.exists))
        #expect(try await again(b, .allowUnlessCompleted) == .verdict(.created))
        for id in ["a", "b"] {
            try await hub.eventually("\(id) to have run again") {
                try await hub.snapshot(id)?.output == Payload("14")
            }
            let history = try await hub.history(id)
            #expect(history.count { $0.typeName == "ExecutionStarted" } == 1)
            #expect(try await hub.snapshot(id)?.historyCount == history.count)
            #expect(try await hub.snapshot(id)?.failure == nil)
        }
        #expect(try await hub.ask(.counts) == .counts([.init(status: .completed, count: 2)]))
        await client.close()
        try await worker.stop()
    }

    @Test(
        "A running instance is left, or ends: whoever waits for it, its parent, its children, its activities hear of it"
    )
    func running() async throws {
        let hub = try await EngineHarness()
        try await hub.client.declare(hub.topology.work(activities: ["Nobody"]))
        let worker = try hub.startWorker("w", [quick, waiting, family])
        let client = client(of: hub)
        func again(_ id: String, _ running: IDReuse.Running) async throws -> Submission.Outcome {
            try await client.start(
                StartRequest(
                    name: "Quick", id: InstanceID(id), input: Payload("7"),
                    idReuse: IDReuse(running: running, ended: .allow))
            ).outcome
        }
        try await hub.start("Family", id: "outer", input: "\"inner\"")
        try await hub.wait(for: "inner", .running)
        #expect(try await again("inner", .refuse) == .verdict(.exists))
        #expect(try await again("inner", .useExisting) == .verdict(.joined))
        #expect(try await hub.snapshot("inner")?.name == "Waiting")
        let channel = try await waitingChannel(for: "inner", in: hub)
        #expect(try await again("inner", .terminate) == .verdict(.created))
        var replies = channel.deliveries.makeAsyncIterator()
        guard let delivery = try await replies.next()?.first,
            case .answer(.status(let end)) = try Reply(wire: delivery.body).body
        else {
            Issue.record("no answer to whoever waited")
            return
        }
        #expect(end.status == .terminated)
        await channel.close()
        // The parent goes on.
        #expect(try await hub.wait(for: "outer", .completed).output == Payload("\"Terminated\""))
        try await hub.eventually("the other one") { try await hub.snapshot("inner")?.output == Payload("14") }

        try await hub.start("Family", id: "outer-2", input: "\"inner-2\"")
        try await hub.wait(for: "inner-2", .running)
        #expect(try await again("outer-2", .terminate) == .verdict(.created))
        try await hub.wait(for: "inner-2", .terminated)
        #expect(try await hub.wait(for: "outer-2", .completed).output == Payload("14"))
        await client.close()
        try await worker.stop()
        #expect(hub.deadLetters().isEmpty)
        let opened = try hub.openFirstPartition()
        defer { opened.store.close() }
        #expect(try opened.store.recover().state.outbox.isEmpty)
        #expect(try opened.store.counts().map(\.count) == [3, 1])
    }

    @Test("However often they come, starts count once, also in an instance that was begun later")
    func repeats() async throws {
        let hub = try await EngineHarness()
        let worker = try hub.startWorker("w", [quick, waiting])
        let allow = IDReuse(running: .useExisting, ended: .allow)
        func sendAll() async throws {
            try await start("Waiting", id: "a", message: "s1", allow, at: hub)
            try await start("Quick", id: "a", input: "1", message: "s2", allow, at: hub)
        }
        try await sendAll()
        try await hub.wait(for: "a", .running)
        try await hub.raise("go", to: "a", "\"1\"", message: "go")
        try await hub.wait(for: "a", .completed)
        // The second was content with the first.
        try await sendAll()
        try await handled(by: hub)
        #expect(try await hub.snapshot("a")?.executionID == ExecutionID("s1"))
        try await start("Quick", id: "a", input: "2", message: "s3", allow, at: hub)
        try await hub.eventually("the third") { try await hub.snapshot("a")?.output == Payload("4") }
        try await start("Quick", id: "a", input: "3", message: "s4", allow, at: hub)
        try await hub.eventually("the fourth") { try await hub.snapshot("a")?.output == Payload("6") }
        try await sendAll()
        try await start("Quick", id: "a", input: "2", message: "s3", allow, at: hub)
        try await hub.raise("go", to: "a", "\"1\"", message: "go")
        try await handled(by: hub)
        #expect(try await hub.snapshot("a")?.executionID == ExecutionID("s4"))
        try await worker.stop()
    }

    @Test("It holds for the next owner, whatever the tables had", arguments: [false, true], [false, true])
    func takeOver(isEnded: Bool, isFlushed: Bool) async throws {
        let hub = try await EngineHarness()
        let first = try hub.startWorker("w1", [waiting]) {
            $0.engine.flushInterval = isFlushed ? .milliseconds(1) : .seconds(3600)
        }
        try await hub.start("Waiting", id: "a")
        try await hub.wait(for: "a", .running)
        if isEnded {
            try await hub.raise("go", to: "a", "\"1\"", message: "go")
            try await hub.wait(for: "a", .completed)
        }
        if isFlushed { _ = try await hub.ask(.counts) }
        try await start("Waiting", id: "a", message: "s2", IDReuse(running: .terminate, ended: .allow), at: hub)
        try await hub.eventually("the other one") {
            let snapshot = try await hub.snapshot("a")
            return snapshot?.executionID == ExecutionID("s2") && snapshot?.status == .running
        }
        hub.kill(first)
        let second = try hub.startWorker("w2", [waiting])
        #expect(try await hub.wait(for: "a", .running).executionID == ExecutionID("s2"))
        try await hub.raise("go", to: "a", "\"2\"", message: "go-2")
        #expect(try await hub.wait(for: "a", .completed).output == Payload("\"2\""))
        try await second.stop()
        let opened = try hub.openFirstPartition()
        defer { opened.store.close() }
        #expect(try opened.store.counts().map(\.count) == [1])
        let history = try opened.store.history(of: InstanceID("a"), from: 0, byteLimit: 1 << 20)
        #expect(history.executionStarted?.executionID == ExecutionID("s2"))
        #expect(try opened.store.instance(InstanceID("a"))?.historyCount == history.count)
    }

    @Test("An instance is started again with the same name, input and tags, under another ID or its own")
    func restart() async throws {
        let hub = try await EngineHarness(partitions: 2)
        let worker = try hub.startWorker("w", [quick])
        let client = client(of: hub)
        let tags = [ExecutionStarted.Tag(key: "region", value: "eu")]
        let a = InstanceID("a")
        _ = try await client.start(StartRequest(name: "Quick", id: a, input: Payload("4"), tags: tags))
        let first = try await hub.wait(for: "a", .completed)
        #expect(try await client.restart(a, as: InstanceID("b"))?.outcome == .verdict(.created))
        let second = try await hub.wait(for: "b", .completed)
        #expect(second.output == Payload("8") && second.tags == tags && second.input == Payload("4"))
        #expect(try await client.restart(a, as: a)?.outcome == .verdict(.exists))
        #expect(try await hub.snapshot("a")?.executionID == first.executionID)
        #expect(try await client.restart(a, as: a, idReuse: IDReuse(ended: .allow))?.outcome == .verdict(.created))
        try await hub.eventually("the third run") {
            let snapshot = try await hub.snapshot("a")
            return snapshot?.executionID != first.executionID && snapshot?.output == Payload("8")
        }
        #expect(try await client.restart(InstanceID("nobody")) == nil)
        await client.close()
        try await worker.stop()
    }

    @Test("Several in one delivery: the last counts, and each before it has ended")
    func oneBatch() async throws {
        let hub = try await EngineHarness()
        let terminate = IDReuse(running: .terminate, ended: .allow)
        let messages = ["s1", "s2", "s3"].map {
            start("Waiting", id: "a", message: $0, terminate, now: hub.clock.now())
        }
        _ = try await hub.client.publish([
            hub.topology.controlMessage(messages, to: PartitionID(0), through: .client, at: hub.clock.now())
        ])
        let worker = try hub.startWorker("w", [waiting])
        #expect(try await hub.wait(for: "a", .running).executionID == ExecutionID("s3"))
        _ = try await hub.client.publish([
            hub.topology.controlMessage(messages, to: PartitionID(0), through: .client, at: hub.clock.now())
        ])
        try await handled(by: hub)
        #expect(try await hub.wait(for: "a", .running).executionID == ExecutionID("s3"))
        try await worker.stop()
    }
}
