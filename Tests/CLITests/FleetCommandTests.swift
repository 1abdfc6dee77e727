import DurableBackend
import DurableCLI
import DurableCore
import DurableMemory
import DurableWire
import Testing

@Suite("dtq queues, workers, dead", .timeLimit(.minutes(5))) struct FleetCommandTests {
    private func fleet(_ bench: Bench) async throws -> ScriptedOwner {
        let owner = try await ScriptedOwner.serve(
            bench, .init(heartbeats: [heartbeat("worker-a", partitions: [0]), heartbeat("worker-b", partitions: [1])]))
        try await bench.broker.connect().declare(bench.topology.work(activities: ["ChargeCard"]))
        return owner
    }

    private func publishTasks(_ count: Int, _ bench: Bench) async throws {
        _ = try await bench.broker.connect().publish(
            (0..<count).map { _ in
                OutgoingMessage(
                    exchange: "dtq.orders.work", routingKey: "ChargeCard", properties: MessageProperties(), body: [])
            })
    }

    @Test("queues shows depths, work in flight and owners, by AMQP alone")
    func queues() async throws {
        let bench = try await Bench.withHub()
        let owner = try await fleet(bench)
        try await publishTasks(1234, bench)
        let run = await bench.run("queues") { await $0.finishRollCall(after: owner) }
        #expect(
            run
                == Run(
                    code: 0,
                    output: """
                        Hub "orders", 2 workers, 2026-11-24 09:00:01 UTC

                        ACTIVITY    READY  CONSUMERS  IN FLIGHT  READY/S
                        ChargeCard  1,234          0          4        -

                        PARTITION  READY  CONSUMERS  IN FLIGHT  READY/S  OUTBOX  HELD  NEXT DUE  EPOCH  OWNER
                                0      0          1          0        0       4     0  -         1.10   worker-a
                                1      0          1          1        0       4     0  -         1.11   worker-b

                        """, errors: ""))
    }

    @Test("queues without workers shows what waits and that nobody works")
    func queuesWithoutWorkers() async throws {
        let bench = try await Bench.withHub()
        _ = await bench.run("submit", "A", "--id", "o-1") { await $0.pass(.seconds(2)) }
        let run = await bench.run("queues", "--activity", "Nowhere") { await $0.finishRollCall(after: nil) }
        #expect(
            run
                == Run(
                    code: 0,
                    output: """
                        Hub "orders", 0 workers, 2026-11-24 09:00:03 UTC

                        ACTIVITY    READY  CONSUMERS  IN FLIGHT  READY/S
                        Nowhere   missing          -          0        -

                        PARTITION  READY  CONSUMERS  IN FLIGHT  READY/S  OUTBOX  HELD  NEXT DUE  EPOCH  OWNER
                                0      1          0          0        0       -     -  -         -      -
                                1      0          0          0        0       -     -  -         -      -

                        No worker serves partitions 0-1: 1 message waiting.

                        """, errors: ""))
    }

    @Test("queues --watch --json prints one document a look, with rates between looks")
    func watch() async throws {
        let bench = try await Bench.withHub()
        let owner = try await fleet(bench)
        let run = await bench.run("queues", "--watch", "3s", "--count", "2", "--json") { bench in
            await bench.finishRollCall(after: owner)
            // The pause between two looks, in which work arrives and workers run some.
            await bench.clock.waitForSleeper(until: bench.clock.now() + .seconds(2))
            try? await self.publishTasks(30, bench)
            owner.change { $0.heartbeats = [heartbeat("worker-a", partitions: [0], runs: 100)] }
            bench.clock.advance(by: .seconds(2))
            await bench.finishRollCall(after: owner, answers: 2)
        }
        #expect(run.code == 0)
        #expect(run.errors == "")
        let documents = run.output.split(separator: "\n").map(String.init)
        try #require(documents.count == 2)
        #expect(
            documents[0].hasPrefix(
                #"{"hub":"orders","time":"2026-11-24T09:00:01.000Z","workers":2,"episodesPerSecond":null,"#))
        #expect(
            documents[1].hasPrefix(
                #"{"hub":"orders","time":"2026-11-24T09:00:04.000Z","workers":2,"episodesPerSecond":0,"#
                    + #""activityRunsPerSecond":20,"queues":[{"queue":"dtq.orders.work.ChargeCard","kind":"work","#
                    + #""activity":"ChargeCard","partition":null,"ready":30,"consumers":0,"inFlight":4,"#
                    + #""readyPerSecond":10,"unacknowledged":null,"publishedPerSecond":null,"deliveredPerSecond":null},"#
            ))
        #expect(
            documents[1].hasSuffix(
                #""partitions":[{"partition":0,"owner":"worker-a","epoch":"1.10","outbox":4,"heldInstances":0,"#
                    + #""nextDue":null},{"partition":1,"owner":"worker-b","epoch":"1.11","outbox":4,"#
                    + #""heldInstances":0,"nextDue":null}]}"#))
    }

    @Test("queues --watch redraws in place on a terminal")
    func redraw() async throws {
        let bench = try await Bench.withHub(.init(variables: ["NO_COLOR": "yes"]))
        let run = await bench.run("queues", "--watch", "--count", "2", terminal: .init(isOutput: true)) { bench in
            await bench.finishRollCall(after: nil)
            await bench.pass(.seconds(1))
            await bench.finishRollCall(after: nil)
        }
        #expect(run.code == 0)
        #expect(run.output.hasPrefix("\u{1B}[2J\u{1B}[HHub \"orders\", 0 workers, 2026-11-24 09:00:01 UTC\u{1B}[K\n"))
        #expect(run.output.components(of: "\u{1B}[H") == 2)
        #expect(run.output.components(of: "\u{1B}[2J") == 1)
        #expect(run.output.hasSuffix("\u{1B}[J"))
    }

    @Test("The management API adds unacknowledged messages and rates; its silence is only noted")
    func management() async throws {
        let address = "http://broker:15672/api/queues/orders%2Feu?columns=name,messages_unacknowledged,message_stats"
        let body = """
            [{"name":"dtq.orders.control.0","messages_unacknowledged":7,
              "message_stats":{"publish_details":{"rate":12.34},"deliver_get_details":{"rate":0.0}}},
             {"name":"other"}]
            """
        let bench = try await Bench.withHub(
            .init(
                variables: ["DTQ_BROKER": "amqp://eve:p%40ss@broker/orders%2Feu"],
                management: [address + " eve:p@ss": body]))
        let run = await bench.run("queues", "--management", "http://broker:15672/") {
            await $0.finishRollCall(after: nil)
        }
        #expect(run.errors == "")
        #expect(
            run.output.contains(
                """
                PARTITION  READY  CONSUMERS  IN FLIGHT  READY/S  UNACKED  IN/S  OUT/S  OUTBOX  HELD  NEXT DUE  EPOCH  OWNER
                        0      0          0          0        0        7  12.3      0       -     -  -         -      -
                        1      0          0          0        0        -     -      -       -     -  -         -      -
                """))
        let silent = await bench.run("queues", "--management", "http://u:secret@elsewhere") {
            await $0.finishRollCall(after: nil)
        }
        #expect(silent.code == 0)
        #expect(
            silent.errors == "The management API at http://elsewhere does not answer; shown by AMQP alone.\n")
    }

    @Test(
        "Options of queues that make no sense are wrong usage",
        arguments: [["--count", "2"], ["--watch=0s"], ["--watch", "often"], ["--management", "ftp://x"]])
    func wrong(_ options: [String]) async throws {
        let bench = try await Bench.withHub()
        let run = await bench.run(["queues"] + options)
        #expect(run.code == 2)
        #expect(run.output == "")
    }

    @Test("workers shows who is alive")
    func workers() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(
            bench,
            .init(heartbeats: [heartbeat("worker-b", partitions: []), heartbeat("worker-a", partitions: [0, 1, 3])]))
        let run = await bench.run("workers") { await $0.finishRollCall(after: owner) }
        #expect(
            run
                == Run(
                    code: 0,
                    output: """
                        WORKER    STATE   ROLES                      BUSY  SLOTS  PARTITIONS     UP  EPISODES  RUNS  EPISODES/S  RUNS/S  BUILD
                        worker-a  active  orchestrations+activities     2     16  0-1,3       1h 2m    12,345    40         3.3       0  1.0
                        worker-b  active  orchestrations+activities     2     16  -           1h 2m    12,345    40         3.3       0  1.0

                        """, errors: ""))
        owner.change { script in
            script.heartbeats = [heartbeat("worker-a", partitions: [1])]
            script.heartbeats[0].episodesPerSecond = 7.25
            script.heartbeats[0].activityRunsPerSecond = 0.5
        }
        let json = await bench.run("workers", "--json") { await $0.finishRollCall(after: owner, answers: 2) }
        #expect(
            json
                == Run(
                    code: 0,
                    output: #"{"hub":"orders","workers":[{"worker":"worker-a","state":"active","#
                        + #""roles":["orchestrations","activities"],"startedAt":"2026-11-24T07:57:55.000Z","#
                        + #""build":"1.0","slots":16,"episodes":12345,"activityRuns":40,"#
                        + #""orchestrations":["ShipOrder"],"activities":[{"name":"ChargeCard","inFlight":2}],"#
                        + #""partitions":[{"partition":1,"epoch":"1.11","inFlight":1,"outbox":4,"heldInstances":0,"#
                        + #""nextDue":null}],"standBy":null,"busy":2,"episodesPerSecond":7.3,"activityRunsPerSecond":0.5}]}"#
                        + "\n",
                    errors: ""))
        let table = await bench.run("workers", "--partitions") { await $0.finishRollCall(after: owner, answers: 3) }
        #expect(
            table.output.hasSuffix(
                """

                PARTITION  EPOCH  WORKER    IN FLIGHT  OUTBOX  HELD  NEXT DUE
                        1  1.11   worker-a          1       4     0  -

                """))
    }

    @Test("Without an owner, queues shows when a partition is due next, from the journal")
    func nextDue() async throws {
        let bench = try await Bench.withHub()
        func write(_ records: JournalRecord...) async throws {
            _ = try await bench.broker.connect().publish(
                records.map { bench.topology.journalRecord($0, at: bench.clock.now()) })
        }
        func claim(_ partition: Int) -> JournalRecord {
            .claim(partition: PartitionID(partition), worker: WorkerID("w"), nonce: "n")
        }
        func release(_ partition: Int, _ offset: UInt64, _ minutes: Int) -> JournalRecord {
            .released(
                partition: PartitionID(partition), epoch: Epoch(generation: 1, offset: offset),
                nextDue: start + .seconds(60 * minutes))
        }
        // Behind the record that came with the hub. Partition 1 was taken over before its first owner released it, and
        // never released again.
        try await write(claim(0), claim(1), claim(1), release(1, 2, 5), release(0, 1, 30))
        let run = await bench.run("queues") { await $0.finishRollCall(after: nil) }
        #expect(
            run.output.contains(
                """
                PARTITION  READY  CONSUMERS  IN FLIGHT  READY/S  OUTBOX  HELD  NEXT DUE             EPOCH  OWNER
                        0      0          0          0        0       -     -  2026-11-24 09:30:00  -      -
                        1      0          0          0        0       -     -  -                    -      -
                """), "\(run)")
        let json = await bench.run("queues", "--json") { await $0.finishRollCall(after: nil) }
        #expect(json.output.contains(#""heldInstances":null,"nextDue":"2026-11-24T09:30:00.000Z"}"#), "\(json)")
    }

    @Test("workers says when nobody answers")
    func noWorkers() async throws {
        let bench = try await Bench.withHub()
        #expect(
            await bench.run("workers") { await $0.finishRollCall(after: nil) }
                == Run(
                    code: 0, output: "", errors: "No worker of hub \"orders\" answered within a second.\n"))
    }

    @Test("dead list shows reasons and leaves the letters where they are")
    func dead() async throws {
        let bench = try await Bench.withHub()
        #expect(
            await bench.run("dead", "list")
                == Run(code: 0, output: "", errors: "No dead letters in hub \"orders\".\n"))
        _ = try await bench.broker.connect().publish(
            (1...3).map { number in
                OutgoingMessage(
                    exchange: "dtq.orders.dead", routingKey: "",
                    properties: MessageProperties(
                        messageID: "m-\(number)", type: "TaskCompleted", correlationID: "o-\(number)", timestamp: start,
                        headers: [
                            MessageHeader("dtq-code", .string("DTQ3002")),
                            MessageHeader("dtq-queue", .string("dtq.orders.control.0")),
                            MessageHeader("dtq-reason", .string("a client may not send it")),
                        ]), body: [1, 2])
            })
        for _ in 0..<2 {
            #expect(
                await bench.run("dead", "list", "--limit", "2")
                    == Run(
                        code: 0,
                        output: """
                            TIME                 CODE     TYPE           INSTANCE  QUEUE                 REASON
                            2026-11-24 09:00:00  DTQ3002  TaskCompleted  o-1       dtq.orders.control.0  a client may not send it
                            2026-11-24 09:00:00  DTQ3002  TaskCompleted  o-2       dtq.orders.control.0  a client may not send it

                            """, errors: "2 of 3; more with --limit.\n"))
        }
        #expect(
            await bench.run("dead", "list", "--limit", "1", "--json").output
                == #"{"hub":"orders","total":3,"letters":[{"messageID":"m-1","type":"TaskCompleted","instance":"o-1","#
                + #""sentAt":"2026-11-24T09:00:00.000Z","code":"DTQ3002","reason":"a client may not send it","#
                + #""queue":"dtq.orders.control.0","bytes":2}]}"# + "\n")
    }
}
