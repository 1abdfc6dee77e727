import DurableBackend
import DurableCLI
import DurableClient
import DurableCore
import DurableJSON
import DurableMemory
import DurableWire
import Testing

@Suite("dtq query, update", .timeLimit(.minutes(5))) struct HandlerCommandTests {
    private let failure = FailureDetails(errorType: "TooHeavy", message: "7 kg")

    @Test("query prints the answer, and says why there is none") func query() async throws {
        let bench = try await Bench.withHub()
        let script = ScriptedOwner.Script(
            instances: [instance("o-1")],
            handlers: [
                "weight": { _, input in .value(input ?? Payload("7")) },
                "fails": { [failure] _, _ in .handlerFailed(failure) },
            ])
        let owner = try await ScriptedOwner.serve(bench, script)
        #expect(await bench.run("query", "o-1", "weight") == Run(code: 0, output: "7\n", errors: ""))
        #expect(
            await bench.run("query", "o-1", "weight", "--input", "{\"unit\":\"g\"}", "--json")
                == Run(
                    code: 0,
                    output: #"{"id":"o-1","query":"weight","answer":{"unit":"g"},"failure":null}"# + "\n", errors: ""))
        let failed = await bench.run("query", "o-1", "fails")
        #expect(failed == Run(code: 1, output: "", errors: "Query fails failed: TooHeavy: 7 kg\n"))
        let unknown = await bench.run("query", "o-1", "price")
        #expect(unknown.code == 1)
        #expect(unknown.errors.hasPrefix("DTQ2015 "))
        #expect(await bench.run("query", "o-2", "weight").code == 3)
        #expect(owner.queryCount == 5)
    }

    @Test("update prints the result, or what became of it") func update() async throws {
        let bench = try await Bench.withHub()
        var script = ScriptedOwner.Script(instances: [instance("o-1"), instance("o-3", "A", .completed)])
        script.outcomes = { [failure] request in
            switch request.name {
            case "weigh": .completed(request.input)
            case "reject": .rejected(failure)
            case "hang": .notFinished
            default: .failed(failure)
            }
        }
        let owner = try await ScriptedOwner.serve(bench, script)
        let run = await bench.run("update", "o-1", "weigh", "--input", "7", "--id", "u-1")
        #expect(run == Run(code: 0, output: "7\n", errors: ""))
        guard case .updateRequested(let request)? = owner.messages.first?.event.kind else {
            Issue.record("a request is sent")
            return
        }
        #expect(request == UpdateRequest(id: UpdateID("u-1"), name: "weigh", input: Payload("7")))
        #expect(
            await bench.run("update", "o-1", "weigh", "--input", "8", "--id", "u-1", "--json")
                == Run(
                    code: 0,
                    output:
                        #"{"id":"o-1","update":"weigh","updateID":"u-1","outcome":"completed","result":7,"failure":null}"#
                        + "\n",
                    errors: ""))
        #expect(
            await bench.run("update", "o-1", "reject", "--id", "u-2")
                == Run(
                    code: 1, output: "",
                    errors: "update \"reject\" (ID \"u-2\") of instance \"o-1\" was rejected: TooHeavy: 7 kg\n"))
        let failed = await bench.run("update", "o-1", "fail", "--id", "u-3", "--json")
        #expect(failed.code == 1)
        #expect(failed.output.contains(#""outcome":"failed","result":null,"failure":{"#))
        #expect(await bench.run("update", "o-1", "hang").errors.hasPrefix("DTQ2017 "))
        let hanging = await bench.run("update", "o-1", "hang", "--id", "u-4", "--json")
        #expect(hanging.code == 1)
        #expect(
            hanging.output
                == #"{"id":"o-1","update":"hang","updateID":"u-4","outcome":"not-finished","result":null,"failure":null}"#
                + "\n")
        let late = await bench.run("update", "o-3", "weigh")
        #expect(late.code == 1)
        #expect(late.errors.contains("ended before it began"))
        #expect(await bench.run("update", "o-2", "weigh").code == 3)
    }

    @Test("An update that its owner has fetched and not come to is waited for, however often it is unknown")
    func updateBehindBacklog() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(
            bench, .init(instances: [instance("o-1")], questionsBeforeMessages: 9))
        let run = await bench.run("update", "o-1", "weigh", "--input", "7", "--id", "u-1") { await $0.hurry() }
        #expect(run == Run(code: 0, output: "7\n", errors: ""))
        // Sent once or more often, as far as the owner has come: it is the same request.
        #expect(Set(owner.messages.map(\.id)).count == 1)
    }

    @Test("An instance that is unknown while its start is in the queue may still be updated")
    func updateBehindStart() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(bench, .init(questionsBeforeMessages: 9))
        let client = try await bench.client(as: "starter")
        let start = try client.message(for: StartRequest(name: "A", id: InstanceID("o-1")))
        try await client.publish(
            [
                bench.topology.controlMessage(
                    [start], to: client.partition(of: start.instanceID), through: .client, at: bench.clock.now())
            ], "start")
        let run = await bench.run("update", "o-1", "weigh", "--input", "7") { await $0.hurry() }
        #expect(run == Run(code: 0, output: "7\n", errors: ""))
        #expect(owner.queryCount > 8)
        await client.close()
    }
}
