import DurableBackend
import DurableCLI
import DurableClient
import DurableCore
import DurableMemory
import Testing

@Suite("dtq restart, and IDs that are used again", .timeLimit(.minutes(5))) struct RestartCommandTests {
    private func ended(_ id: String, _ status: OrchestrationStatus = .failed) -> InstanceSnapshot {
        var snapshot = instance(id, "ShipOrder", status)
        snapshot.version = "3"
        snapshot.input = Payload("7")
        snapshot.tags = [.init(key: "region", value: "eu")]
        return snapshot
    }

    private func lastStart(_ owner: ScriptedOwner) throws -> (start: ExecutionStarted, reuse: IDReuse) {
        let message = try #require(owner.messages.last)
        guard case .executionStarted(let start) = message.event.kind else { throw ClientError(.wrongArgument, "none") }
        return (start, message.idReuse)
    }

    @Test("restart starts the same under another ID, which it prints")
    func anotherID() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(bench, .init(instances: [ended("o-1")]))
        let run = await bench.run("restart", "o-1", "--id", "o-2")
        #expect(run == Run(code: 0, output: "o-2  created\n", errors: ""))
        let (start, reuse) = try lastStart(owner)
        #expect(start.name == "ShipOrder" && start.version == "3" && start.input == Payload("7"))
        #expect(start.tags == [.init(key: "region", value: "eu")])
        #expect(reuse == .refuse)
        let random = await bench.run("restart", "o-1")
        #expect(random.code == 0)
        #expect(try random.output == "\(lastStart(owner).start.instanceID)  created\n")
        #expect(await bench.run("status", "o-1").output.contains("failed"))
        #expect(await bench.run("restart", "o-1", "--id", "o-2").code == 1)
        #expect(await bench.run("restart", "nobody").code == 3)
    }

    @Test("restart --same-id asks first, and leaves one that runs unless it is told to end it")
    func sameID() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(bench, .init(instances: [ended("o-1"), ended("o-2", .running)]))
        #expect(await bench.run("restart", "o-1", "--same-id").code == 2)
        #expect(owner.messages.isEmpty)
        #expect(await bench.run("restart", "o-1", "--same-id", "--yes").output == "o-1  created\n")
        #expect(try lastStart(owner).reuse == IDReuse(ended: .allow))
        #expect(await bench.run("restart", "o-2", "--same-id", "--yes").code == 1)
        let run = await bench.run("restart", "o-2", "--same-id", "--if-running", "terminate", "--yes")
        #expect(run.output == "o-2  created\n")
        #expect(await bench.run("restart", "o-1", "--same-id", "--id", "x").code == 2)
        #expect(await bench.run("restart", "o-1", "--if-running", "terminate").code == 2)
        #expect(await bench.run("restart", "o-1", "--same-id", "--if-running", "use-existing").code == 2)
    }

    @Test("submit says what to do where the ID is in use")
    func submit() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(bench, .init(instances: [ended("o-1"), ended("o-2", .running)]))
        let joined = await bench.run("submit", "ShipOrder", "--id", "o-2", "--if-running", "use-existing")
        #expect(joined == Run(code: 0, output: "o-2  joined\n", errors: ""))
        #expect(try lastStart(owner).reuse == IDReuse(running: .useExisting))
        let again = await bench.run("submit", "ShipOrder", "--id", "o-1", "--if-ended", "allow")
        #expect(again.output == "o-1  created\n")
        _ = await bench.run("submit", "ShipOrder", "--id", "o-1", "--if-ended", "allow-unless-completed")
        #expect(try lastStart(owner).reuse == IDReuse(ended: .allowUnlessCompleted))
        #expect(await bench.run("submit", "ShipOrder", "--id", "o-1", "--if-ended", "perhaps").code == 2)
    }
}
