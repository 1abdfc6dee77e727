import DurableBackend
import DurableCLI
import DurableClient
import DurableCore
import DurableMemory
import DurableWire
import Testing

@Suite("dtq hub", .timeLimit(.minutes(5))) struct HubCommandTests {
    @Test("create makes the hub and says what it is")
    func create() async throws {
        let run = try await Bench().run("hub", "create", "--partitions", "2", "--data", "files")
        #expect(
            run
                == Run(
                    code: 0,
                    output: """
                        Hub "orders" created.
                        hub         orders
                        id          id-1
                        partitions  2
                        queues      quorum
                        log         local
                        data        /data/files
                        retention   30d
                        format      1
                        created     2026-11-24 09:00:00 UTC (0s ago)

                        """, errors: ""))
    }

    @Test("create makes a log stream a partition that begins with its own description, once")
    func logStreams() async throws {
        let bench = try Bench()
        for _ in 0..<2 { #expect(await bench.run("hub", "create", "--partitions", "2").code == 0) }
        let descriptor = try await bench.client().descriptor
        #expect(descriptor.logMode == .replicated)
        for partition in descriptor.topology.partitions {
            let generation = LogGeneration.first(of: descriptor, partition)
            let messages = try bench.broker.readyMessages(in: generation.stream).map { try LogMessage(wire: $0.body) }
            #expect(messages == [.generation(generation)])
        }
        #expect(await bench.run("hub", "verify").code == 0)
    }

    @Test("create makes files for a local log, and verify knows lost log streams")
    func logModes() async throws {
        let bench = try Bench()
        #expect(await bench.run("hub", "create", "--log", "local").output.contains("data        /data/dtq-data/orders"))
        let other = try Bench()
        #expect(await other.run("hub", "create", "--log", "replicated", "--data", "x").code == 2)
        #expect(await other.run("hub", "create", "--partitions", "1").code == 0)
        try await other.broker.connect().delete(queues: ["dtq.orders.log.0.0-0.1"], exchanges: [])
        let run = await other.run("hub", "verify")
        #expect(run.code == 1)
        #expect(run.output == "stream 'dtq.orders.log.0.0-0.1' (stream) is missing\n")
    }

    @Test("create places one baton a partition, and none again when it is repeated")
    func batons() async throws {
        let bench = try Bench()
        _ = await bench.run("hub", "create", "--partitions", "2")
        let run = await bench.run("hub", "create", "--json")
        #expect(
            run
                == Run(
                    code: 0,
                    output: #"{"hub":"orders","id":"id-1","partitions":2,"queues":"quorum","log":"replicated","#
                        + #""dataDirectory":"","retentionSeconds":2592000,"format":1,"#
                        + #""createdAt":"2026-11-24T09:00:00.000Z","created":false}"# + "\n", errors: ""))
        for partition in bench.topology.partitions {
            #expect(bench.broker.readyMessages(in: bench.topology.queue(.own, partition)).count == 1)
        }
    }

    @Test("create leaves a hub alone that differs from what is asked for")
    func createDiffers() async throws {
        let bench = try await Bench.withHub()
        #expect(
            await bench.run("hub", "create", "--partitions", "4", "--queues", "classic")
                == Run(
                    code: 1, output: "",
                    errors: """
                        DTQ1002 hub "orders" is there already and differs: partition count is 2, asked for was 4; \
                        queue kind is quorum, asked for was classic. Nothing was changed. Leave the options out to use \
                        it as it is, or choose another name. See ops/errors/DTQ1002.md

                        """))
    }

    @Test(
        "wrong options of create are wrong usage",
        arguments: [["--partitions", "0"], ["--queues", "lazy"], ["--hub", "a b"]])
    func createWrong(_ options: [String]) async throws {
        let bench = try Bench()
        let run = await bench.run("hub", "create", options[0], options[1])
        #expect(run.code == 2)
        #expect(run.output == "")
        #expect(!run.errors.isEmpty)
    }

    @Test("show prints the descriptor and the broker")
    func show() async throws {
        let run = try await Bench.withHub().run("hub", "show", "--json")
        #expect(run.code == 0)
        #expect(
            run.output.hasPrefix(
                #"{"hub":"orders","id":"hub-1","partitions":2,"queues":"quorum","log":"local","#
                    + #""dataDirectory":"/data/orders","retentionSeconds":2592000,"format":1,"#
                    + #""createdAt":"2026-11-24T09:00:00.000Z","broker":"#))
    }

    static let commandsOfAHub: [[String]] = [
        ["hub", "show"], ["hub", "verify"], ["hub", "delete", "--yes"], ["submit", "A"], ["status"], ["wait", "x"],
        ["list"], ["history", "x"], ["raise", "x", "E"], ["terminate", "x", "--yes"], ["suspend", "x"],
        ["resume", "x"],
        ["bulk", "terminate", "--yes"], ["queues"], ["workers"], ["dead", "list"], ["doctor"],
        ["hub", "redrive", "--yes"],
    ]

    @Test("every command says when there is no such hub, with exit code 3", arguments: commandsOfAHub)
    func noHub(_ command: [String]) async throws {
        let bench = try Bench()
        let run = await bench.run(command)
        #expect(
            run
                == Run(
                    code: 3, output: "",
                    errors: """
                        DTQ1001 hub "orders" is not on this broker. Nothing was sent. Create it with `dtq hub create \
                        --hub orders`. See ops/errors/DTQ1001.md

                        """))
    }

    @Test("verify is silent about nothing: it says so when all is well, and names what is missing")
    func verify() async throws {
        let bench = try await Bench.withHub()
        #expect(
            await bench.run("hub", "verify")
                == Run(code: 0, output: "Hub \"orders\": every queue and exchange is as it should be.\n", errors: ""))
        try await bench.broker.connect().delete(queues: ["dtq.orders.query.1"], exchanges: ["dtq.orders.work"])
        #expect(
            await bench.run("hub", "verify")
                == Run(
                    code: 1,
                    output: """
                        exchange 'dtq.orders.work' (direct) is missing
                        queue 'dtq.orders.query.1' (quorum) is missing

                        """, errors: "Declare what is missing with: dtq hub create --hub orders\n"))
        #expect(
            await bench.run("hub", "verify", "--json").output
                == #"{"hub":"orders","ok":false,"differences":["exchange 'dtq.orders.work' (direct) is missing","#
                + #""queue 'dtq.orders.query.1' (quorum) is missing"]}"# + "\n")
        _ = await bench.run("hub", "create")
        #expect(await bench.run("hub", "verify").code == 0)
    }

    @Test("redrive shows what each owner sent again")
    func redrive() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(bench)
        #expect(
            await bench.run("hub", "redrive", "--yes")
                == Run(
                    code: 0,
                    output: """
                        PARTITION  TASKS  MESSAGES  TIMERS
                                0      3         0   1,200
                                1      3         1   1,200

                        """, errors: ""))
        let json = await bench.run("hub", "redrive", "--yes", "--json")
        #expect(
            json.output.hasPrefix(
                #"{"hub":"orders","partitions":[{"partition":0,"outcome":"redriven","tasks":3,"messages":0,"#
                    + #""timers":1200,"notice":null},"#))
        #expect(owner.queryCount == 4)
    }

    @Test("redrive says which partitions nobody serves, and asks before it sends anything")
    func redriveWithoutOwners() async throws {
        let bench = try await Bench.withHub()
        #expect(await bench.run("hub", "redrive").code == 2)
        let run = await bench.run("hub", "redrive", "--yes", "--json") { bench in
            // Both partitions are asked at once, and both are waited for.
            await bench.clock.waitForSleepers(2)
            await bench.pass(.seconds(3))
        }
        #expect(run.code == 1)
        #expect(
            run.output.contains(
                #"{"partition":1,"outcome":"unanswered","tasks":null,"messages":null,"timers":null,"notice":"DTQ5001 "#)
        )
    }

    @Test("delete refuses when nobody can be asked")
    func deleteWithoutTerminal() async throws {
        let run = try await Bench.withHub().run("hub", "delete")
        #expect(
            run
                == Run(
                    code: 2, output: "",
                    errors: """
                        DTQ5003 This deletes hub "orders" with all its instances and histories (2 partitions, files in \
                        /data/orders). Standard input is no terminal, so nobody can be asked: add --yes. Nothing was \
                        done. See ops/errors/DTQ5003.md

                        """))
    }

    @Test(
        "delete goes on only when the hub's name is typed", arguments: [("orders\n", Int32(0)), ("yes\n", 1), ("", 1)])
    func deleteConfirmed(_ answer: String, _ code: Int32) async throws {
        let bench = try await Bench.withHub()
        let run = await bench.run("hub", "delete", input: [answer], terminal: .init(isInput: true)) {
            await $0.finishRollCall(after: nil)
        }
        #expect(run.code == code)
        #expect(run.output == (code == 0 ? "Hub \"orders\" deleted: 11 queues removed.\n" : ""))
        let left = try await bench.broker.connect().inspect(queue: "dtq.orders.hub")
        #expect((left == nil) == (code == 0))
    }

    @Test("delete refuses while workers are alive, unless forced")
    func deleteWithWorkers() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(
            bench, .init(heartbeats: [heartbeat("worker-a", partitions: [0, 1])]))
        let refused = await bench.run("hub", "delete", "--yes") { await $0.finishRollCall(after: owner, answers: 1) }
        #expect(
            refused
                == Run(
                    code: 2, output: "",
                    errors: """
                        DTQ5003 hub "orders" has live workers: worker-a. Nothing was removed. Stop them first, or use \
                        --force. See ops/errors/DTQ5003.md

                        """))
        let forced = await bench.run("hub", "delete", "--yes", "--force", "--json") {
            await $0.finishRollCall(after: owner, answers: 2)
        }
        #expect(forced.code == 0)
        #expect(forced.output.hasPrefix(#"{"hub":"orders","deleted":true,"queues":["#))
        #expect(forced.output.contains(#""dtq.orders.work.ChargeCard""#))
    }
}
