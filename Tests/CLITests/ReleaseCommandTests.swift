import DurableBackend
import DurableCLI
import DurableCore
import DurableMemory
import Testing

@Suite("dtq release", .timeLimit(.minutes(5))) struct ReleaseCommandTests {
    private func held() -> InstanceSnapshot {
        var held = instance("o-2")
        held.holdCode = "DTQ2008"
        held.holdText = "DTQ2008 instance o-2: ends its worker"
        return held
    }

    @Test("release lets a held instance go, and says what it was held for")
    func release() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(bench, .init(instances: [held(), instance("o-1")]))
        #expect(
            await bench.run("release", "o-2")
                == Run(
                    code: 0, output: "o-2  released\n",
                    errors: "It was held for: DTQ2008 instance o-2: ends its worker\n"))
        #expect(
            await bench.run("release", "o-2", "--json")
                == Run(
                    code: 0,
                    output: #"{"id":"o-2","released":true,"hold":{"code":"DTQ2008","#
                        + #""text":"DTQ2008 instance o-2: ends its worker"}}"# + "\n", errors: ""))
        #expect(
            await bench.run("release", "o-1")
                == Run(code: 1, output: "", errors: "Instance o-1 is not held; nothing was changed.\n"))
        #expect(
            await bench.run("release", "o-1", "--json")
                == Run(code: 1, output: #"{"id":"o-1","released":false,"hold":null}"# + "\n", errors: ""))
        #expect(await bench.run("release", "o-9").code == 3)
        #expect(await bench.run("release").code == 2)
        #expect(owner.queryCount == 5)
    }

    @Test("release asks once: what ended one worker must not end the next")
    func asksOnce() async throws {
        let bench = try await Bench.withHub()
        // Takes questions and answers none.
        let silent = try await bench.broker.connect(as: "silent").openChannel()
        for partition in bench.topology.partitions {
            for family in [HubTopology.Family.control, .query] {
                try await silent.consume(
                    queue: bench.topology.queue(family, partition), consumerTag: "\(family)-\(partition)", prefetch: 10,
                    from: nil, exclusive: false)
            }
        }
        let run = await bench.run("release", "o-2") { bench in await bench.pass(.seconds(3)) }
        #expect(run.code == 1)
        #expect(run.errors.hasPrefix("DTQ5001 "), "\(run.errors)")
        let asked = bench.topology.partitions.reduce(0) {
            $0 + bench.broker.unacknowledgedCount(in: bench.topology.queue(.query, $1))
        }
        #expect(asked == 1)
        await silent.close()
    }
}
