import DurableBackend
import DurableClient
import DurableCore
import DurableMemory
import DurableWire
import Testing

@Suite("Client", .timeLimit(.minutes(5))) struct ClientTests {
    @Test("A lost confirm is published again with the same message ID")
    func republish() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(bench)
        let cuts = PlatformLock(0)
        bench.broker.setFaults(
            FaultPlan { point in
                guard point.transport == "client", case .publish = point.call else { return .none }
                return cuts.withLock { count in
                    count += 1
                    return count == 1 ? .cutAfter : .none
                }
            })
        let client = try await bench.client()
        async let submission = client.start(StartRequest(name: "A", id: InstanceID("o-1")))
        await bench.pass(.milliseconds(100))
        _ = try await submission
        await eventually { owner.messages.count == 2 }
        #expect(Set(owner.messages.map(\.id)).count == 1)
        await client.close()
    }

    @Test("A client whose connection is cut opens its queue again and asks again")
    func reconnect() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(bench, .init(instances: [instance("o-1")]))
        let client = try await bench.client()
        async let end = client.wait(for: InstanceID("o-1"))
        await eventually { owner.queryCount == 1 }
        // The question is published, the client waits for an answer.
        await bench.clock.waitForSleeper(until: start + .seconds(3))
        owner.change { $0.instances = [instance("o-1", "A", .completed)] }
        // The owner answers questions only; without asking again the client would wait until the clock moves.
        bench.broker.cut("client")
        guard case .ended(let snapshot) = try await end else {
            Issue.record("timed out")
            return
        }
        #expect(snapshot.status == .completed)
        #expect(owner.queryCount == 2)
        await client.close()
    }

    @Test("Many starts are all confirmed, each once")
    func startMany() async throws {
        let bench = try await Bench.withHub()
        let client = try await bench.client()
        let messages = try (0..<1000).map {
            try client.message(for: StartRequest(name: "A", id: InstanceID("o-\($0)")))
        }
        let progress = PlatformLock<[Int]>([])
        let result = try await client.startMany(
            AsyncStream { continuation in
                for message in messages { continuation.yield(message) }
                continuation.finish()
            }
        ) { count in progress.withLock { $0.append(count) } }
        #expect(result.acceptedCount == 1000)
        #expect(result.takenCount == 1000)
        #expect(result.unconfirmed.isEmpty)
        #expect(progress.withLock { $0 }.last == 1000)
        let queued = bench.topology.partitions.reduce(0) {
            $0 + bench.broker.readyMessages(in: bench.topology.queue(.control, $1)).count
        }
        #expect(queued == 1000)
        await client.close()
    }

    @Test("The facade starts, waits and decodes what its orchestration returns")
    func facade() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(bench)
        owner.change {
            $0.outcome = { instance in
                var done = instance
                done.status = instance.name == "Sum" ? .completed : .failed
                done.output = instance.name == "Sum" ? Payload("6") : nil
                done.failure = instance.name == "Sum" ? nil : FailureDetails(errorType: "Oops", message: "no")
                return done
            }
        }
        let client = TaskHubClient(try await bench.client())
        let started = try await client.start("Sum", input: [1, 2, 3], id: InstanceID("o-1"))
        #expect(started.answer == .created)
        #expect(try await client.output(of: started.id, as: Int.self) == 6)
        #expect(try await client.status(of: started.id)?.input == Payload("[1,2,3]"))
        #expect(try await client.start("Sum", input: 1, id: InstanceID("o-1")).answer == .exists)
        _ = try await client.start("Bad", id: InstanceID("o-2"))
        await #expect(throws: FailureDetails(errorType: "Oops", message: "no")) {
            try await client.output(of: InstanceID("o-2"), as: Int.self)
        }
        #expect(try await client.status(of: InstanceID("o-9")) == nil)
        await client.close()
        let error = await #expect(throws: ClientError.self) { try await client.start("Sum", input: 1) }
        #expect(error?.code == .connectionLost)
    }

    @Test("A hub of a newer format is refused")
    func newerFormat() async throws {
        let bench = try Bench()
        let broker = bench.broker.connect()
        try await broker.declare(bench.topology.bootstrap)
        var descriptor = bench.descriptor
        descriptor.formatVersion = 2
        _ = try await broker.publish([
            OutgoingMessage(
                exchange: "dtq.orders.hub", routingKey: "", properties: MessageProperties(), body: descriptor.wireBytes)
        ])
        let error = await #expect(throws: ClientError.self) { try await bench.client() }
        #expect(error?.code == .hubDoesNotFit)
    }

    @Test("Of two creations that race the first descriptor counts for both")
    func race() async throws {
        let bench = try Bench()
        let administration = HubAdministration(
            transport: bench.broker.connect(), hub: bench.hub, clock: bench.clock, storage: bench.storage)
        async let one = administration.create(.init(defaultDataDirectory: "/a"), hubID: "one")
        async let two = administration.create(.init(defaultDataDirectory: "/a"), hubID: "two")
        let results = try await [one, two]
        #expect(results[0].descriptor == results[1].descriptor)
        #expect(results.count { $0.isNew } == 1)
    }

    @Test("UUIDs have their version and variant and do not repeat")
    func identifiers() {
        let ids = (0..<100).map { _ in RandomID.make() }
        #expect(Set(ids).count == 100)
        for id in ids {
            #expect(id.wholeMatch(of: /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/) != nil)
        }
    }
}
