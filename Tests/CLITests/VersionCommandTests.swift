import DurableBackend
import DurableClient
import DurableCore
import DurableMemory
import DurableWire
import Testing

@Suite("Versions on the command line") struct VersionCommandTests {
    @Test("submit --version pins the instance, in a batch too") func submit() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(bench)
        let run = await bench.run("submit", "Order", "--id", "o-1", "--version", "2", "--json")
        #expect(run.code == 0, "\(run)")
        let lines =
            #"{"id":"o-2","version":"3"}"# + "\n" + #"{"id":"o-3"}"# + "\n" + #"{"id":"o-4","version":null}"# + "\n"
        let batch = await bench.run("submit", "Order", "--batch", "--version", "2", input: [lines])
        #expect(batch.code == 0, "\(batch)")
        await eventually { owner.messages.count == 4 }
        let versions = owner.messages.compactMap { message -> String? in
            guard case .executionStarted(let start) = message.event.kind else { return nil }
            return "\(start.instanceID)=\(start.version ?? "-")"
        }
        #expect(versions.sorted() == ["o-1=2", "o-2=3", "o-3=2", "o-4=2"])
        let status = await bench.run("status", "o-1", "--json")
        #expect(status.output.contains(#""name":"Order","version":"2","#), "\(status)")
    }

    @Test("A version that none can be is refused") func refused() async throws {
        let bench = try await Bench.withHub()
        let run = await bench.run("submit", "Order", "--version", "")
        #expect(run.code != 0)
        #expect(run.errors.contains("cannot be a version"), "\(run)")
    }

    /// One worker that has the code, and one whose instances wait for some.
    private func fleet(_ bench: Bench) async throws -> ScriptedOwner {
        let (old, new) = (
            OrchestrationCode(name: "Order", version: "2"), OrchestrationCode(name: "Order", version: "3")
        )
        let topology = bench.topology.episodes(of: [old])
        let client = bench.broker.connect()
        try await client.declare(topology)
        _ = try await client.publish(
            (0..<3).map { _ in
                OutgoingMessage(
                    exchange: "dtq.orders.episodes", routingKey: "Order.2", properties: MessageProperties(), body: [])
            })
        var (a, b) = (heartbeat("worker-a", partitions: [0]), heartbeat("worker-b", partitions: [1]))
        a.codes = [old]
        b.missingCode = [.init(code: new, instances: 5)]
        b.partitions[0].heldInstances = 5
        return try await ScriptedOwner.serve(bench, .init(heartbeats: [a, b]))
    }

    @Test("queues shows episodes that wait for a worker, and what no worker has code for") func queues() async throws {
        let bench = try await Bench.withHub()
        let owner = try await fleet(bench)
        let run = await bench.run("queues") { await $0.finishRollCall(after: owner) }
        #expect(run.code == 0)
        #expect(
            run.output.contains(
                """
                ORCHESTRATION  VERSION    READY  CONSUMERS  IN FLIGHT  READY/S  NO CODE
                Order          2              3          0          -        -        0
                Order          3        missing          -          -        -        5
                """), "\(run.output)")
        #expect(
            run.output.contains(#"5 instances waiting for code: no worker has orchestration "Order" version "3"."#))
        let json = await bench.run("queues", "--json") { await $0.finishRollCall(after: owner, answers: 2) }
        #expect(
            json.output.contains(#""missingCode":[{"orchestration":"Order","version":"3","instances":5}]"#), "\(json)")
    }

    @Test("doctor names the code that is waited for, and does not count it among what is held") func doctor()
        async throws
    {
        let bench = try await Bench.withHub()
        let owner = try await fleet(bench)
        let run = await bench.run("doctor") { await $0.finishRollCall(after: owner) }
        #expect(run.code == 1)
        #expect(
            run.output.contains(#"5 instances wait for code: no worker has orchestration "Order" version "3""#),
            "\(run)")
        #expect(run.output.contains(#"3 episodes of orchestration "Order" version "2" wait and no worker takes them"#))
        #expect(!run.output.contains("held until somebody acts"))
    }
}
