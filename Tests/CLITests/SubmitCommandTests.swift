import DurableBackend
import DurableCLI
import DurableCore
import DurableMemory
import DurableWire
import Testing

@Suite("dtq submit", .timeLimit(.minutes(5))) struct SubmitCommandTests {
    @Test("A start carries name, input and ID, and the verdict is shown")
    func created() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(bench)
        let run = await bench.run("submit", "HelloCities", "--id", "o-1", "--input", #" ["Oslo"] "#)
        #expect(run == Run(code: 0, output: "o-1  created\n", errors: ""))
        let message = try #require(owner.messages.first)
        #expect(owner.messages.count == 1)
        #expect(message.instanceID == InstanceID("o-1"))
        #expect(
            message.event.kind
                == .executionStarted(
                    ExecutionStarted(
                        name: "HelloCities", input: Payload(#"["Oslo"]"#), instanceID: InstanceID("o-1"),
                        executionID: ExecutionID(message.id.value))))
        let json = await bench.run("submit", "HelloCities", "--id", "o-2", "--json")
        #expect(
            json
                == Run(
                    code: 0,
                    output: #"{"id":"o-2","partition":1,"verdict":"created","served":true,"waitingMessages":null,"#
                        + #""notice":null,"instance":null}"# + "\n", errors: ""))
    }

    @Test("An instance without ID gets a unique one, a later start its time")
    func generatedID() async throws {
        let bench = try await Bench.withHub(.init(files: ["/data/in.json": "7\n"]))
        let owner = try await ScriptedOwner.serve(bench)
        let run = await bench.run("submit", "A", "--input", "@in.json", "--start-at", "10m")
        #expect(run == Run(code: 0, output: "id-3  created\n", errors: ""))
        guard case .executionStarted(let started)? = owner.messages.first?.event.kind else {
            Issue.record("no start")
            return
        }
        #expect(started.scheduledStart == start + .seconds(600))
        #expect(started.input == Payload("7"))
    }

    @Test("An ID that is there already is refused, with exit code 1")
    func exists() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(bench, .init(instances: [instance("o-1")]))
        let run = await bench.run("submit", "ShipOrder", "--id", "o-1", "--wait")
        #expect(
            run
                == Run(
                    code: 1, output: "o-1  exists\n",
                    errors: "Nothing was started. Look at it with: dtq status o-1\n"))
        #expect(owner.queryCount == 0)
    }

    @Test("Without a worker a start is accepted, and the notice says how much waits")
    func noWorker() async throws {
        let bench = try await Bench.withHub()
        let run = await bench.run("submit", "ShipOrder", "--id", "o-1") { await $0.pass(.seconds(2)) }
        let notice =
            #"DTQ5001 partition 0 of hub "orders": no worker serves it; 1 message waits. Nothing is lost. "#
            + "Start a worker of this hub; dtq workers shows those that are alive. See ops/errors/DTQ5001.md"
        #expect(run == Run(code: 0, output: "o-1  waiting\n", errors: notice + "\n"))
        let json = await bench.run("submit", "ShipOrder", "--id", "o-3", "--json") { await $0.pass(.seconds(2)) }
        let escaped = notice.replacing("\"", with: "\\\"").replacing("1 message waits", with: "2 messages wait")
        #expect(
            json
                == Run(
                    code: 0,
                    output: #"{"id":"o-3","partition":0,"verdict":"waiting","served":false,"waitingMessages":2,"#
                        + #""notice":""# + escaped + #"","instance":null}"# + "\n", errors: ""))
    }

    @Test("A silent owner is told apart from none")
    func silentOwner() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(bench, .init(givesVerdicts: false))
        let run = await bench.run("submit", "ShipOrder", "--id", "o-1") { await $0.pass(.seconds(2)) }
        #expect(run.code == 0)
        #expect(run.output == "o-1  waiting\n")
        #expect(
            run.errors
                == "partition 0 of hub \"orders\": its owner has not answered; 0 messages wait in its control queue.\n")
        #expect(owner.messages.count == 1)
    }

    @Test("--wait prints the output of what completed, and fails with what failed")
    func wait() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(bench)
        owner.change {
            $0.outcome = { instance in
                var instance = instance
                instance.status = instance.name == "Bad" ? .failed : .completed
                if instance.name == "Bad" {
                    instance.failure = FailureDetails(errorType: "PaymentDeclined", message: "card expired")
                } else {
                    instance.output = Payload(#"["Hello Oslo"]"#)
                }
                return instance
            }
        }
        #expect(
            await bench.run("submit", "Good", "--id", "o-1", "--wait")
                == Run(code: 0, output: "[\"Hello Oslo\"]\n", errors: "o-1  created\n"))
        #expect(
            await bench.run("submit", "Bad", "--id", "o-2", "--wait")
                == Run(
                    code: 1, output: "",
                    errors: "o-2  created\nInstance o-2 is failed: PaymentDeclined: card expired\n"))
        let json = await bench.run("submit", "Good", "--id", "o-3", "--wait", "--json")
        #expect(json.code == 0)
        #expect(json.output.hasPrefix(#"{"id":"o-3","partition":0,"verdict":"created","served":true,"#))
        #expect(json.output.contains(#""instance":{"id":"o-3","name":"Good","status":"completed","#))
        #expect(json.output.contains(#""output":["Hello Oslo"]"#))
    }

    @Test("A start that is still queued when --wait asks is waited for")
    func waitForQueuedStart() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(bench, .init(givesVerdicts: false, unknownAnswers: 2))
        owner.change { script in
            script.outcome = { instance in
                var done = instance
                done.status = .completed
                done.output = Payload("1")
                return done
            }
        }
        let run = await bench.run("submit", "A", "--id", "o-1", "--wait") { bench in
            await bench.pass(.seconds(2))
            await bench.pass(.milliseconds(100))
            await bench.pass(.milliseconds(200))
        }
        #expect(run.code == 0)
        #expect(run.output == "1\n")
        #expect(owner.queryCount == 3)
    }

    static let wrongCommands: [([String], String)] = [
        (["submit"], "Name the orchestration"),
        (["submit", "A", "--input", "{"], "DTQ5003 --input is no JSON"),
        (
            ["submit", "A", "--input", "@nowhere.json"],
            "DTQ5003 file nowhere.json of --input cannot be read: no such file"
        ),
        (["submit", "A", "--start-at", "soon"], "DTQ5003 --start-at is a time"),
        (["submit", "A", "--id", "a\tb"], "DTQ5003 an instance ID must not contain control characters"),
        (["submit", "", "--id", "a"], "DTQ5003 an orchestration's name has 1 to 255 bytes"),
        (["submit", "--batch", "--wait"], "--batch takes id, input and startAt from its lines"),
        (["submit", "A", "--colour"], "Unknown option '--colour'"),
        (
            ["submit", "A", "--broker", "http://u:secret@h"],
            "must begin with amqp:// or amqps://, this does not: http://h"
        ),
    ]

    @Test("Wrong usage is exit code 2 with the reason, and sends nothing", arguments: wrongCommands)
    func wrong(_ command: [String], _ reason: String) async throws {
        let bench = try await Bench.withHub()
        let run = await bench.run(command)
        #expect(run.code == 2)
        #expect(run.output == "")
        #expect(run.errors.contains(reason), "\(run.errors)")
        #expect(!run.errors.contains("secret"))
        for partition in bench.topology.partitions {
            #expect(bench.broker.readyMessages(in: bench.topology.queue(.control, partition)).isEmpty)
        }
    }

    @Test("A payload over the limit is refused before it is sent")
    func payloadTooLarge() async throws {
        let bench = try await Bench.withHub()
        let big = "\"" + String(repeating: "x", count: 1 << 20) + "\""
        let run = await bench.run("submit", "A", "--id", "o-1", "--input", "-", input: [big])
        #expect(
            run
                == Run(
                    code: 1, output: "",
                    errors: """
                        DTQ2007 the input of instance o-1 has 1048578 bytes, the limit is 1048576. Nothing was sent. \
                        Store the data elsewhere and pass a reference. See ops/errors/DTQ2007.md

                        """))
        #expect(bench.broker.readyMessages(in: "dtq.orders.control.0").isEmpty)
    }

    @Test("A partition without its queue is an error, not an acceptance")
    func returned() async throws {
        let bench = try await Bench.withHub()
        try await bench.broker.connect().delete(queues: ["dtq.orders.control.0"], exchanges: [])
        let run = await bench.run("submit", "A", "--id", "o-1")
        #expect(run.code == 1)
        #expect(run.output == "")
        #expect(
            run.errors.hasPrefix("DTQ1002 cannot send ExecutionStarted to instance o-1: hub \"orders\" has no queue"))
    }
}

@Suite("dtq submit --batch", .timeLimit(.minutes(5))) struct BatchTests {
    @Test("Each line becomes an instance, however the input is cut")
    func lines() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(bench)
        let run = await bench.run(
            "submit", "ShipOrder", "--batch",
            input: [#"{"id":"o-1","inp"#, #"ut":{"n":1.50}}"# + "\n\n" + #"{"id":"o-2","name":"Other"}"#])
        #expect(run == Run(code: 0, output: "2 instances accepted in 0 s.\n", errors: ""))
        await eventually { owner.messages.count == 2 }
        let starts = owner.messages.compactMap { message -> String? in
            guard case .executionStarted(let start) = message.event.kind else { return nil }
            return "\(start.instanceID) \(start.name) \(start.input?.text ?? "-")"
        }
        #expect(starts.sorted() == [#"o-1 ShipOrder {"n":1.50}"#, "o-2 Other -"])
    }

    @Test("Bad lines are named with their numbers; the others are submitted")
    func badLines() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(bench)
        let input = """
            {"name":"A","id":"o-1"}
            {"name":"A","id":"o-2"
            {"id":"o-3"}
            {"name":"A","id":"o-4","colour":"red"}
            {"name":"A","startAt":"tomorrow"}
            [1]
            {"name":"A","id":"o-7"}

            """
        let run = await bench.run("submit", "--batch", input: [input])
        #expect(
            run
                == Run(
                    code: 1, output: "2 instances accepted in 0 s.\n",
                    errors: """
                        line 2: no JSON: expected , or } in an object at byte 23
                        line 3: no name, and none on the command line
                        line 4: unknown key "colour" (known: name, id, input, startAt, tags)
                        line 5: startAt is no ISO 8601 time
                        line 6: no JSON object
                        5 lines refused and not submitted; correct and submit only them again.

                        """))
        await eventually { owner.messages.count == 2 }
        #expect(owner.messages.map(\.instanceID.value).sorted() == ["o-1", "o-7"])
    }

    @Test("The JSON form has every number a script needs")
    func json() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(bench)
        let run = await bench.run("submit", "A", "--batch", "--json", input: ["{}\nx\n"])
        #expect(
            run
                == Run(
                    code: 1,
                    output: #"{"accepted":1,"linesRead":2,"readAll":true,"#
                        + #""refusedLines":[{"line":2,"reason":"no JSON: expected a value at byte 1"}],"#
                        + #""unconfirmedLines":[],"seconds":0}"# + "\n",
                    errors: """
                        line 2: no JSON: expected a value at byte 1
                        1 line refused and not submitted; correct and submit only it again.

                        """))
        await eventually { owner.messages.count == 1 }
    }

    @Test("Input that is no batch at all is given up, and the rest is said to be unread")
    func hopeless() async throws {
        let bench = try await Bench.withHub()
        let run = await bench.run(
            "submit", "A", "--batch", input: [String(repeating: "x\n", count: 150) + "{}\n"])
        #expect(run.code == 1)
        #expect(run.output == "0 instances accepted in 0 s.\n")
        #expect(run.errors.contains("line 100: no JSON"))
        #expect(!run.errors.contains("line 101: "))
        #expect(
            run.errors.hasSuffix(
                """
                Stopped after 100 bad lines.
                100 lines refused and not submitted; correct and submit only them again.
                Nothing after line 100 was submitted.

                """))
    }

    @Test("Lines that the broker did not confirm are named")
    func unconfirmed() async throws {
        let bench = try await Bench.withHub()
        try await bench.broker.connect().delete(queues: ["dtq.orders.control.1"], exchanges: [])
        // Partitions 1 and 0.
        let run = await bench.run("submit", "A", "--batch", input: ["{\"id\":\"o-0\"}\n{\"id\":\"o-1\"}\n"])
        #expect(run.code == 1)
        #expect(run.output == "0 instances accepted in 0 s.\n")
        #expect(
            run.errors.hasPrefix(
                "Lines 1-2 were not confirmed by the broker; they may have been accepted. Submit them again: those "
                    + "with IDs are not started twice.\nDTQ1002 "))
    }

    @Test("Nobody working on an accepted batch is said, on a terminal also how far it is")
    func progress() async throws {
        let bench = try await Bench.withHub()
        let run = await bench.run("submit", "A", "--batch", input: ["{}\n"], terminal: .init(isError: true))
        #expect(run.code == 0)
        #expect(
            run.errors
                == "\r\u{1B}[K1 accepted\r\u{1B}[K"
                + #"DTQ5001 hub "orders": no worker serves partitions 0-1, 1 message waiting. Nothing is lost. "#
                + "Start a worker of this hub. See ops/errors/DTQ5001.md\n")
    }
}
