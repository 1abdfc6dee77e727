import DurableBackend
import DurableCLI
import DurableCore
import DurableJSON
import DurableMemory
import Testing

@Suite("dtq entity", .timeLimit(.minutes(5))) struct EntityCommandTests {
    private func entity(_ key: String, _ state: String?, lockedBy parent: String? = nil) -> InstanceSnapshot {
        var snapshot = instance(EntityID(name: "Account", key: key).instanceID.value, "@Account")
        snapshot.entity = EntityState(
            state: state.map { Payload($0) },
            lock: parent.map { EntityState.Lock(section: "s", parent: InstanceID($0)) })
        return snapshot
    }

    private func bench() async throws -> (bench: Bench, owner: ScriptedOwner) {
        let bench = try await Bench.withHub()
        let script = ScriptedOwner.Script(
            instances: [
                entity("ana", "7"), entity("bob", #"{"sum":3}"#, lockedBy: "t-1"), entity("eve", nil), instance("o-1"),
            ])
        return (bench, try await ScriptedOwner.serve(bench, script))
    }

    @Test("get prints the state, and who has it locked") func get() async throws {
        let (bench, owner) = try await bench()
        #expect(await bench.run("entity", "get", "Account", "ana") == Run(code: 0, output: "7\n", errors: ""))
        #expect(
            await bench.run("entity", "get", "Account", "bob")
                == Run(code: 0, output: "{\"sum\":3}\n", errors: "It is locked by instance t-1.\n"))
        let json = await bench.run("entity", "get", "Account", "bob", "--json")
        #expect(json.code == 0)
        #expect(json.output.hasPrefix(#"{"name":"Account","key":"bob","updatedAt":"#))
        #expect(json.output.hasSuffix(#","waitingMessages":0,"lockedBy":"t-1","state":{"sum":3}}"# + "\n"))
        #expect(
            await bench.run("entity", "get", "Account", "eve")
                == Run(code: 3, output: "", errors: "Entity @Account@eve has no state.\n"))
        #expect(
            await bench.run("entity", "get", "Account", "zoe")
                == Run(code: 3, output: "", errors: "There is no entity @Account@zoe.\n"))
        #expect(await bench.run("entity", "get", "Acc@unt", "ana").code == 2)
        #expect(owner.queryCount == 5)
    }

    @Test("signal sends an operation under the ID that was given") func signal() async throws {
        let (bench, owner) = try await bench()
        let run = await bench.run(
            "entity", "signal", "Account", "new", "deposit", "--input", "5", "--request-id", "gift-7")
        #expect(run.code == 0)
        let message = try #require(owner.messages.first)
        #expect(message.id == MessageID("gift-7"))
        #expect(message.instanceID == InstanceID("@Account@new"))
        #expect(
            message.event.kind
                == .entityOperationSignaled(
                    EntitySignal(requestID: "gift-7", operation: "deposit", input: Payload("5"))))
        #expect(await bench.run("entity", "signal", "", "new", "deposit").code == 2)
    }

    @Test("list shows entities alone, dtq list everything else, and commands to orchestrations refuse them") func list()
        async throws
    {
        let (bench, owner) = try await bench()
        let table = await bench.run("entity", "list", "Account")
        #expect(table.code == 0)
        #expect(table.output.split(separator: "\n").count == 4)
        #expect(table.output.contains("t-1"))
        #expect(await bench.run("entity", "list", "Other").errors == "No entities.\n")
        let all = await bench.run("list", "--json")
        #expect(all.output.contains("o-1") && !all.output.contains("@Account"))
        let refused = await bench.run("terminate", "@Account@ana", "--yes")
        #expect(refused.code != 0)
        #expect(refused.errors.hasPrefix("DTQ2026 "))
        #expect(owner.messages.isEmpty)
    }
}
