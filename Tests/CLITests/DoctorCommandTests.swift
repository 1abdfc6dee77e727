import DurableBackend
import DurableCLI
import DurableCore
import DurableMemory
import DurableWire
import Testing

@Suite("dtq doctor", .timeLimit(.minutes(5))) struct DoctorCommandTests {
    private static let leftOut = ["broker-alarms", "broker-limits", "policies", "queue-state"].map {
        "skipped  \($0): needs the management API: add --management URL (DTQ_MANAGEMENT)."
    }

    private func healthyHeartbeats() -> [WorkerHeartbeat] { [heartbeat("worker-a", partitions: [0, 1])] }

    private func declareWork(_ bench: Bench) async throws {
        try await bench.broker.connect().declare(bench.topology.work(activities: ["ChargeCard"]))
    }

    @Test("A hub that is well has notes and checks left out, and exit code 0")
    func healthy() async throws {
        let bench = try await Bench.withHub()
        try await declareWork(bench)
        let owner = try await ScriptedOwner.serve(bench, .init(heartbeats: healthyHeartbeats()))
        let run = await bench.run("doctor") { await $0.finishRollCall(after: owner) }
        #expect(run.errors == "")
        #expect(run.code == 0)
        let lines = run.output.split(separator: "\n").map(String.init)
        let note = "note     consumer-timeout: the broker's consumer timeout cannot be read"
        #expect(lines.first?.hasPrefix(note) == true)
        for line in Self.leftOut { #expect(lines.contains(line), "\(line)") }
        #expect(lines.contains("skipped  broker-version: the broker calls itself \"in-memory broker\"."))
        #expect(lines.last == "Hub \"orders\": nothing wrong was found, 5 checks left out.")
    }

    @Test("A hub without workers is well while nothing waits, and in error when something does")
    func unowned() async throws {
        let bench = try await Bench.withHub()
        let idle = await bench.run("doctor") { await $0.finishRollCall(after: nil) }
        #expect(idle.code == 0)
        #expect(idle.output.contains("note     partitions: 2 partitions have no owner, and nothing waits there.\n"))

        _ = await bench.run("submit", "A", "--id", "o-1") { await $0.pass(.seconds(2)) }
        let waiting = await bench.run("doctor") { await $0.finishRollCall(after: nil) }
        #expect(waiting.code == 1)
        #expect(
            waiting.output.hasPrefix(
                """
                error    partitions: partition 0 has no owner: 1 messages wait.
                         Start a worker that runs orchestrations.

                """))
    }

    @Test("A broker that takes no messages is found, and what could not be asked is left out by name")
    func blockedPublishers() async throws {
        let bench = try await Bench.withHub()
        bench.broker.blockPublishers()
        let run = await bench.run("doctor", "--json") { bench in
            await bench.pass(.seconds(5))
        }
        bench.broker.unblockPublishers()
        #expect(run.code == 1, "\(run)")
        #expect(
            run.output.contains(
                #""check":"broker-alarms","severity":"error","text":"the broker has not taken a message for"#))
        for check in ["partitions", "outboxes", "logs", "held-instances"] {
            #expect(
                run.output.contains(
                    #"{"check":"\#(check)","reason":"the broker does not take the question to the workers"}"#),
                "\(check)")
        }
    }

    @Test("What the journal knows of a partition without owner is told")
    func journal() async throws {
        let bench = try await Bench.withHub()
        let journal = bench.topology.name(.journal)
        // The first record came with the hub.
        let epoch = Epoch(generation: 1, offset: 2)
        let records: [JournalRecord] = [
            .claim(partition: PartitionID(0), worker: WorkerID("worker-x"), nonce: "a"),
            .claim(partition: PartitionID(1), worker: WorkerID("worker-y"), nonce: "b"),
            .released(partition: PartitionID(1), epoch: epoch, nextDue: start - .seconds(60)),
        ]
        _ = try await bench.broker.connect().publish(
            records.map {
                OutgoingMessage(exchange: journal, routingKey: "", properties: MessageProperties(), body: $0.wireBytes)
            })
        let run = await bench.run("doctor") { await $0.finishRollCall(after: nil) }
        #expect(run.code == 1)
        #expect(
            run.output.contains(
                "partition 0 has no owner: its last owner worker-x (epoch 1.1) ended without handing it over."))
        #expect(run.output.contains("partition 1 has no owner: a timer was due at 2026-11-24T08:59:00.000Z."))
    }

    @Test("A partition without baton is found")
    func baton() async throws {
        let bench = try await Bench.withHub()
        _ = try await bench.broker.connect().get(queue: "dtq.orders.own.1", count: 1, peek: false)
        let run = await bench.run("doctor") { await $0.finishRollCall(after: nil) }
        #expect(run.code == 1)
        #expect(
            run.output.contains(
                """
                error    partitions: partition 1 has no baton, so nobody can own it.
                         dtq hub create places it again.
                """))
    }

    @Test("Held instances, refused messages, lagging tables, dead letters, idle tasks are found; JSON keys are stable")
    func owners() async throws {
        let bench = try await Bench.withHub()
        try await declareWork(bench)
        var worker = heartbeat("worker-a", partitions: [0, 1])
        worker.partitions[0].heldInstances = 1
        worker.partitions[1].refused = 3
        worker.partitions[1].unflushed = 200_000
        var held = instance("o-1")
        held.holdCode = "DTQ2003"
        held.holdText = "DTQ2003 diverged"
        let owner = try await ScriptedOwner.serve(bench, .init(instances: [held], heartbeats: [worker]))
        let transport = bench.broker.connect()
        _ = try await transport.publish([
            OutgoingMessage(exchange: "dtq.orders.dead", routingKey: "", properties: MessageProperties(), body: []),
            OutgoingMessage(
                exchange: "dtq.orders.work", routingKey: "ChargeCard", properties: MessageProperties(), body: []),
        ])
        let run = await bench.run("doctor", "--json", "--activity", "Nowhere") {
            await $0.finishRollCall(after: owner)
        }
        #expect(run.code == 1)
        let expected = [
            #"{"hub":"orders","broker":"in-memory broker","ok":false,"findings":["#,
            #"{"check":"activities","severity":"warning","text":"1 tasks of activity \"ChargeCard\" wait and no worker "#
                + #"takes them","remedy":"Start a worker that registers it."}"#,
            #"{"check":"activities","severity":"warning","text":"activity \"Nowhere\" has no queue: no worker has ever "#
                + #"registered it","remedy":"#,
            #"{"check":"dead-letters","severity":"warning","text":"dtq.orders.dead holds 1 messages that were set "#
                + #"aside","remedy":"dtq dead list shows them with their reasons."}"#,
            #"{"check":"outboxes","severity":"warning","text":"partition 1 (owner worker-a, epoch 1.11): the broker "#
                + #"returns or refuses 3 of the 4 messages in its outbox","remedy":"#,
            #"{"check":"logs","severity":"warning","text":"partition 1 (owner worker-a, epoch 1.11): its tables are "#
                + #"200000 records behind its log","remedy":"#,
            #"{"check":"held-instances","severity":"warning","text":"1 instance is held until somebody acts: "#
                + #"o-1 (DTQ2003)","remedy":"#,
            #""notes":[{"check":"consumer-timeout","severity":"note","text":"#,
            #""skipped":[{"check":"broker-version","reason":"the broker calls itself \"in-memory broker\""},"#
                + #"{"check":"broker-alarms","reason":"needs the management API: add --management URL (DTQ_MANAGEMENT)"}"#,
        ]
        for part in expected { #expect(run.output.contains(part), "\(part)") }
    }

    @Test("Missing topology is found, also when workers cannot be heard for it")
    func topology() async throws {
        let bench = try await Bench.withHub()
        try await bench.broker.connect().delete(queues: ["dtq.orders.query.1"], exchanges: ["dtq.orders.fleet"])
        let run = await bench.run("doctor")
        #expect(run.code == 1)
        #expect(
            run.output.hasPrefix(
                """
                error    topology: exchange 'dtq.orders.fleet' (fanout) is missing.
                         Declare what is missing with dtq hub create, then send again what was lost with dtq hub redrive.
                error    topology: queue 'dtq.orders.query.1' (quorum) is missing.
                         Declare what is missing with dtq hub create, then send again what was lost with dtq hub redrive.

                """))
        #expect(
            run.output.contains("skipped  partitions: the hub has no fleet exchange, so workers cannot be heard.\n"))
    }

    @Test("The management API tells of alarms, limits, policies and replicas")
    func management() async throws {
        let base = "http://broker:15672/api/"
        let columns = "name,type,state,policy,operator_policy,effective_policy_definition,members,online,arguments"
        let nodes = """
            [{"name":"rabbit@a","running":true,"mem_alarm":true,"disk_free_alarm":false,"partitions":["rabbit@b"],
              "fd_used":95,"fd_total":100,"disk_free":150,"disk_free_limit":100},{"name":"rabbit@b","running":false}]
            """
        let queues = """
            [{"name":"dtq.orders.journal","type":"stream","state":"running","policy":"tidy","operator_policy":null,
              "effective_policy_definition":{"max-age":"7D"},"members":["a","b"],"online":["a"]},
             {"name":"dtq.orders.control.0","type":"quorum","state":"minority","policy":"tidy","operator_policy":"cap",
              "effective_policy_definition":{"max-length":10,"consumer-timeout":60000}},
             {"name":"dtq.orders.query.0","type":"classic","state":"running","policy":"",
              "effective_policy_definition":{}},
             {"name":"other","type":"classic","state":"down","effective_policy_definition":{"max-length":10}}]
            """
        let bench = try await Bench.withHub(
            .init(
                variables: ["DTQ_MANAGEMENT": "http://eve:secret@broker:15672"],
                management: [
                    base + "nodes eve:secret": nodes, base + "queues/%2F?columns=\(columns) eve:secret": queues,
                ]))
        let run = await bench.run("doctor") { await $0.finishRollCall(after: nil) }
        #expect(run.code == 1)
        let expected = [
            "error    broker-alarms: node rabbit@a has a memory alarm: it takes no messages.",
            "error    broker-alarms: node rabbit@a is cut off from rabbit@b.",
            "error    broker-alarms: node rabbit@b is down.",
            "error    policies: policy \"tidy\" puts retention on a stream whose records must stay on dtq.orders.journal: "
                + "max-age \"7D\".",
            "error    queue-state: dtq.orders.control.0 is minority.",
            "error    policies: policy \"tidy\" and \"cap\" puts limits on dtq.orders.control.0: max-length 10.",
            "error    consumer-timeout: policy \"tidy\" and \"cap\" gives dtq.orders.control.0 a consumer timeout of 60000 ms.",
            "warning  broker-limits: node rabbit@a uses 95 of 100 file descriptors.",
            "warning  broker-limits: node rabbit@a has 150 bytes of disk left; it stops taking messages below 100.",
            "warning  queue-state: dtq.orders.journal has 1 of 2 replicas online.",
        ]
        let lines = run.output.split(separator: "\n").map(String.init)
        for line in expected { #expect(lines.contains(line), "\(line)") }
        #expect(!run.output.contains("other"))
    }

    @Test("A management API that is silent leaves its checks out")
    func silentManagement() async throws {
        let bench = try await Bench.withHub()
        let run = await bench.run("doctor", "--management", "http://broker:15672") {
            await $0.finishRollCall(after: nil)
        }
        #expect(run.code == 0)
        #expect(run.output.contains("skipped  policies: the management API at http://broker:15672 does not answer.\n"))
    }

    @Test("Streams on a broker of few nodes are said not to survive a power failure")
    func durability() async throws {
        let bench = try Bench()
        _ = await bench.run("hub", "create", "--partitions", "1")
        let run = await bench.run("doctor") { await $0.finishRollCall(after: nil) }
        #expect(run.code == 0)
        #expect(
            run.output.contains(
                "note     durability: if this broker has one node, confirmed log records survive crashes of the broker's "
                    + "process, but not a power failure"))
    }
}
