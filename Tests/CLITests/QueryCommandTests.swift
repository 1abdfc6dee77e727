import DurableBackend
import DurableCLI
import DurableCore
import DurableJSON
import DurableMemory
import Testing

@Suite("dtq status, wait, list, history", .timeLimit(.minutes(5))) struct QueryCommandTests {
    private var finished: InstanceSnapshot {
        var done = instance("o-1", "ShipOrder", .completed)
        done.input = Payload(#"{"weight":7}"#)
        done.output = Payload(#"{"price":1e400}"#)
        return done
    }

    @Test("status shows one instance")
    func status() async throws {
        let bench = try await Bench.withHub()
        var waiting = instance("o-2")
        waiting.openTaskCount = 1
        waiting.openTimerCount = 2
        waiting.openChildCount = 3
        waiting.holdCode = "DTQ2003"
        waiting.holdText = "DTQ2003 instance o-2: replay diverged"
        let owner = try await ScriptedOwner.serve(bench, .init(instances: [finished, waiting]))
        #expect(
            await bench.run("status", "o-1")
                == Run(
                    code: 0,
                    output: """
                        instance   o-1
                        name       ShipOrder
                        status     completed
                        created    2026-11-24 08:59:00 UTC (1m ago)
                        updated    2026-11-24 08:59:30 UTC (30s ago)
                        execution  execution-of-o-1
                        partition  0
                        history    3 events
                        input      {"weight":7}
                        output     {"price":1e400}

                        """, errors: ""))
        let held = await bench.run("status", "o-2", terminal: .init(isOutput: true))
        #expect(held.output.contains("open       1 activity, 2 timers, 3 sub-orchestrations\n"))
        #expect(held.output.contains("held       \u{1B}[33mDTQ2003 instance o-2: replay diverged\u{1B}[0m\n"))
        #expect(
            await bench.run("status", "o-1", "--json")
                == Run(
                    code: 0,
                    output: #"{"id":"o-1","name":"ShipOrder","version":null,"status":"completed","#
                        + #""createdAt":"2026-11-24T08:59:00.000Z","updatedAt":"2026-11-24T08:59:30.000Z","#
                        + #""execution":"execution-of-o-1","partition":0,"historyEvents":3,"tags":{},"parent":null,"startAt":null,"#
                        + #""openTasks":0,"openTimers":0,"openChildren":0,"openUpdates":0,"unhandledMessages":0,"customStatus":null,"#
                        + #""input":{"weight":7},"output":{"price":1e400},"failure":null,"hold":null}"#
                        + "\n",
                    errors: ""))
        #expect(owner.queryCount == 3)
    }

    @Test("NO_COLOR and a pipe keep escape sequences out; control characters of an instance never reach a terminal")
    func colors() async throws {
        let bench = try await Bench.withHub(.init(variables: ["NO_COLOR": "1"]))
        var nasty = finished
        nasty.name = "\u{1B}[31mRed"
        let owner = try await ScriptedOwner.serve(bench, .init(instances: [nasty]))
        let run = await bench.run("status", "o-1", terminal: .init(isOutput: true))
        #expect(!run.output.contains("\u{1B}"))
        #expect(run.output.contains(#"name       \u{1b}[31mRed"#))
        #expect(owner.queryCount == 1)
    }

    @Test("status of the hub counts instances by status")
    func counts() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(
            bench, .init(instances: [instance("o-1"), instance("o-2"), instance("o-3", "A", .failed)]))
        #expect(
            await bench.run("status")
                == Run(code: 0, output: "STATUS   INSTANCES\nrunning          2\nfailed           1\n", errors: ""))
        #expect(
            await bench.run("status", "--json").output
                == #"{"hub":"orders","total":3,"counts":{"running":2,"completed":0,"continued-as-new":0,"failed":1,"#
                + #""canceled":0,"terminated":0,"pending":0,"suspended":0}}"# + "\n")
        #expect(owner.queryCount == 4)
    }

    static let unknownInstance: [[String]] = [
        ["status", "o-9"], ["wait", "o-9"], ["history", "o-9"], ["raise", "o-9", "E"], ["terminate", "o-9", "--yes"],
        ["suspend", "o-9"], ["resume", "o-9"],
    ]

    @Test("An instance that is not there is exit code 3", arguments: unknownInstance)
    func notFound(_ command: [String]) async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(bench)
        #expect(
            await bench.run(command)
                == Run(
                    code: 3, output: "",
                    errors: """
                        DTQ5002 instance o-9 is not in hub "orders" (partition 0). Nothing was changed. Check ID and \
                        --hub; dtq list shows what is there. See ops/errors/DTQ5002.md

                        """))
        _ = owner
    }

    @Test(
        "A question without a worker fails after one silence and says what waits",
        arguments: [["status", "o-1"], ["history", "o-1"]])
    func noWorker(_ command: [String]) async throws {
        let bench = try await Bench.withHub()
        let run = await bench.run(command) { await $0.pass(.seconds(3)) }
        #expect(
            run
                == Run(
                    code: 1, output: "",
                    errors: """
                        DTQ5001 partition 0 of hub "orders": no worker serves it; 0 messages wait. Nothing is lost. \
                        Start a worker of this hub; dtq workers shows those that are alive. See ops/errors/DTQ5001.md

                        """))
    }

    @Test("A question lost with its owner is asked again")
    func asksAgain() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(bench, .init(instances: [finished], ignoredQueries: 1))
        let run = await bench.run("status", "o-1") { await $0.pass(.seconds(3)) }
        #expect(run.code == 0)
        #expect(owner.queryCount == 2)
    }

    @Test("wait prints the output of what completed")
    func wait() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(
            bench, .init(instances: [finished, instance("o-2", "A", .terminated)]))
        #expect(await bench.run("wait", "o-1") == Run(code: 0, output: "{\"price\":1e400}\n", errors: ""))
        #expect(
            await bench.run("wait", "o-2") == Run(code: 1, output: "", errors: "Instance o-2 is terminated\n"))
        let json = await bench.run("wait", "o-2", "--json")
        #expect(json.code == 1)
        #expect(json.output.hasPrefix(#"{"id":"o-2","name":"A","version":null,"status":"terminated","#))
        #expect(json.errors == "")
        _ = owner
    }

    @Test("wait ends with its timeout, and asks again until then")
    func waitTimeout() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(bench, .init(instances: [instance("o-1")]))
        let run = await bench.run("wait", "o-1", "--timeout", "5s") {
            await $0.pass(.seconds(3))
            await $0.pass(.seconds(2))
        }
        #expect(
            run
                == Run(
                    code: 1, output: "",
                    errors: "Instance o-1 has not ended within 5s; it goes on. Wait again, or look at it with: "
                        + "dtq status o-1\n"))
        #expect(owner.queryCount == 2)
    }

    @Test("wait without a worker says so once and goes on")
    func waitWithoutWorker() async throws {
        let bench = try await Bench.withHub()
        let run = await bench.run("wait", "o-1", "--timeout", "9s") {
            for _ in 0..<3 { await $0.pass(.seconds(3)) }
        }
        #expect(run.code == 1)
        #expect(run.errors.components(of: "DTQ5001 partition 0") == 1)
        #expect(run.errors.hasSuffix("dtq status o-1\n"))
    }

    @Test("list merges the pages of all partitions, oldest first")
    func list() async throws {
        let bench = try await Bench.withHub(.init(partitions: 3))
        let owner = try await ScriptedOwner.serve(
            bench,
            .init(
                instances: (1...7).map {
                    instance("o-\($0)", "ShipOrder", $0 == 4 ? .failed : .running, secondsAgo: 100 - $0)
                },
                pageLimit: 2))
        #expect(
            await bench.run("list", "--limit", "3")
                == Run(
                    code: 0,
                    output: """
                        INSTANCE  NAME       STATUS   CREATED              UPDATED
                        o-1       ShipOrder  running  2026-11-24 08:58:21  49s ago
                        o-2       ShipOrder  running  2026-11-24 08:58:22  49s ago
                        o-3       ShipOrder  running  2026-11-24 08:58:23  48s ago

                        """, errors: "There are more: add --cursor 1a20cc71398-6f2d33\n"))
        let next = await bench.run("list", "--limit", "4", "--cursor", "1a20cc71398-6f2d33", "--json")
        #expect(next.output.components(of: #""id":"#) == 4)
        #expect(
            next.output.hasPrefix(#"{"instances":[{"id":"o-4","name":"ShipOrder","version":null,"status":"failed","#))
        #expect(next.output.hasSuffix(#""nextCursor":null}"# + "\n"))
        let failed = await bench.run(
            "list", "--status", "failed,terminated", "--prefix", "o-", "--from", "1h", "--json")
        #expect(failed.output.components(of: #""id":"o-4""#) == 1)
        #expect(failed.output.components(of: #""id":"#) == 1)
        #expect(
            await bench.run("list", "--name", "Nothing") == Run(code: 0, output: "", errors: "No instances.\n"))
        _ = owner
    }

    @Test(
        "Options of list that cannot be meant are wrong usage",
        arguments: [["--status", "runing"], ["--limit", "0"], ["--cursor", "x"], ["--from", "yesterday"]])
    func listWrong(_ options: [String]) async throws {
        let bench = try await Bench.withHub()
        let run = await bench.run("list", options[0], options[1])
        #expect(run.code == 2)
        #expect(run.errors.hasPrefix("DTQ5003 \(options[0]) "))
    }

    @Test("history shows events of several pages in order, sizes instead of payloads")
    func history() async throws {
        let bench = try await Bench.withHub()
        let id = InstanceID("o-1")
        var events = [
            HistoryEvent(timestamp: start, kind: .orchestratorStarted),
            HistoryEvent(
                timestamp: start,
                kind: .executionStarted(
                    ExecutionStarted(
                        name: "ShipOrder", input: Payload("{}"), instanceID: id, executionID: ExecutionID("e")))),
            HistoryEvent(eventID: EventID(0), timestamp: start, kind: .taskScheduled(name: "Charge", input: nil)),
            HistoryEvent(
                timestamp: start,
                kind: .taskFailed(taskID: EventID(0), failure: FailureDetails(errorType: "Declined", message: "no"))),
        ]
        events[0].author = EpisodeAuthor(build: "1.4", version: "2")
        let owner = try await ScriptedOwner.serve(
            bench, .init(instances: [finished], histories: [id: events], pageLimit: 3))
        #expect(
            await bench.run("history", "o-1")
                == Run(
                    code: 0,
                    output: """
                        #  TIME          EVENT                ID  DETAIL
                        0  09:00:00.000  OrchestratorStarted      build 1.4, codeVersion 2
                        1  09:00:00.000  ExecutionStarted         ShipOrder, input 2 bytes
                        2  09:00:00.000  TaskScheduled         0  Charge
                        3  09:00:00.000  TaskFailed               task 0, Declined: no

                        """, errors: ""))
        #expect(owner.queryCount == 2)
        let json = await bench.run("history", "o-1", "--json", "--payloads")
        #expect(
            json.output.hasPrefix(
                #"{"id":"o-1","events":[{"index":0,"time":"2026-11-24T09:00:00.000Z","type":"OrchestratorStarted","#
                    + #""eventID":null,"build":"1.4","codeVersion":"2"},{"index":1,"time":"2026-11-24T09:00:00.000Z","type":"ExecutionStarted","#
                    + #""eventID":null,"name":"ShipOrder","inputBytes":2,"input":{},"execution":"e"},"#))
        #expect(try HistoryJSON.read(Array(json.output.utf8)).events == events)
    }
}

@Suite("dtq raise, terminate, suspend, resume", .timeLimit(.minutes(5))) struct MessageCommandTests {
    @Test("raise sends the event and shows that it was taken")
    func raise() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(bench, .init(instances: [instance("o-1")]))
        #expect(
            await bench.run("raise", "o-1", "Approved", "--input", #"{"by":"eve"}"#)
                == Run(code: 0, output: "o-1  accepted\n", errors: ""))
        #expect(
            owner.messages.map(\.event.kind) == [.eventRaised(name: "Approved", input: Payload(#"{"by":"eve"}"#))])
    }

    @Test("An event for an instance that has ended is exit code 1")
    func ended() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(bench, .init(instances: [instance("o-1", "A", .completed)]))
        #expect(
            await bench.run("raise", "o-1", "Late")
                == Run(code: 1, output: "", errors: "Instance o-1 has ended before; nothing was changed.\n"))
        #expect(
            await bench.run("terminate", "o-1", "--yes", "--json")
                == Run(
                    code: 1,
                    output: #"{"id":"o-1","partition":0,"verdict":"ended","served":true,"waitingMessages":null,"#
                        + #""notice":null}"# + "\n", errors: ""))
        _ = owner
    }

    @Test("rewind has a failed instance go on, and says why it does not") func rewind() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(
            bench,
            .init(instances: [
                instance("o-1", "A", .failed), instance("o-2", "A", .completed), instance("hasty", "A", .failed),
            ]))
        #expect(
            await bench.run("rewind", "o-1", "--reason", "mended")
                == Run(code: 0, output: "o-1  accepted\n", errors: ""))
        #expect(
            owner.messages.map(\.event.kind) == [.executionRewound(reason: Payload("\"mended\""), count: 0)])
        #expect(
            await bench.run("rewind", "o-2")
                == Run(code: 1, output: "", errors: "Instance o-2 has not failed; nothing was changed.\n"))
        let hasty = await bench.run("rewind", "hasty")
        #expect(hasty.code == 1)
        #expect(hasty.errors.hasPrefix("Instance hasty cannot be rewound: "))
        #expect(hasty.errors.hasSuffix("Nothing was changed. dtq restart starts it again.\n"))
        #expect(await bench.run("rewind", "o-9").code == 3)
        #expect(
            await bench.run("bulk", "rewind", "--dry-run", "--json")
                == Run(code: 0, output: #"{"matched":2,"ids":["hasty","o-1"]}"# + "\n", errors: ""))
        let bulk = await bench.run("bulk", "rewind", "--yes", "--json")
        #expect(bulk.code == 1)
        #expect(
            bulk.output == #"{"matched":2,"accepted":1,"unanswered":0,"tooLate":0,"failed":1}"# + "\n")
    }

    @Test("suspend and resume keep the reason, and are no errors where there is nothing to do")
    func suspend() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(bench, .init(instances: [instance("o-1")]))
        let accepted = Run(code: 0, output: "o-1  accepted\n", errors: "")
        #expect(await bench.run("suspend", "o-1", "--reason", "audit") == accepted)
        #expect(await bench.run("resume", "o-1") == accepted)
        #expect(
            owner.messages.map(\.event.kind) == [
                .executionSuspended(reason: Payload(#""audit""#)), .executionResumed(reason: nil),
            ])
    }

    @Test("bulk acts on all that fit and that the action can change, and on nothing else")
    func bulk() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(
            bench,
            .init(instances: [
                instance("a-1"), instance("a-2", "A", .completed), instance("b-1"), instance("a-3"),
                instance("a-4", "A", .suspended),
            ]))
        #expect(
            await bench.run("bulk", "suspend", "--prefix", "a-", "--dry-run")
                == Run(
                    code: 0, output: "a-1\na-3\n", errors: "2 instances would be suspended. Nothing was done.\n"))
        #expect(
            await bench.run("bulk", "resume", "--prefix", "a-", "--dry-run", "--json")
                == Run(code: 0, output: #"{"matched":1,"ids":["a-4"]}"# + "\n", errors: ""))
        let refused = await bench.run("bulk", "terminate", "--prefix", "a-")
        #expect(refused.code == 2)
        #expect(refused.errors.contains("3 instances") && refused.errors.contains("add --yes"))
        #expect(owner.messages.isEmpty)
        #expect(
            await bench.run("bulk", "terminate", "--prefix", "a-", "--reason", "wrong", "--no-recurse", "--yes")
                == Run(code: 0, output: "3 accepted\n", errors: ""))
        #expect(owner.messages.map(\.instanceID.value).sorted() == ["a-1", "a-3", "a-4"])
        #expect(
            owner.messages.allSatisfy {
                $0.event.kind == .executionTerminated(reason: Payload(#""wrong""#), recurse: false)
            })
        #expect(
            await bench.run("bulk", "suspend", "--name", "Nobody", "--yes")
                == Run(code: 0, output: "", errors: "No instance fits that could be suspended.\n"))
        #expect(await bench.run("bulk", "purge").code == 2)
    }

    @Test("terminate asks first, and keeps the reason")
    func terminate() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(bench, .init(instances: [instance("o-1")]))
        let refused = await bench.run("terminate", "o-1")
        #expect(refused.code == 2)
        #expect(refused.errors.contains("add --yes"))
        let terminal = CommandEnvironment.Terminal(isInput: true)
        #expect(
            await bench.run("terminate", "o-1", input: ["no\n"], terminal: terminal)
                == Run(
                    code: 1, output: "",
                    errors: "This ends instance o-1 for good.\nType yes to go on: Not confirmed. Nothing was done.\n"))
        #expect(owner.messages.isEmpty)
        #expect(
            await bench.run("terminate", "o-1", "--reason", "ordered twice", input: ["yes\n"], terminal: terminal).code
                == 0)
        #expect(
            owner.messages.map(\.event.kind)
                == [.executionTerminated(reason: Payload(#""ordered twice""#), recurse: true)])
    }
}

extension String {
    /// How often `part` occurs.
    func components(of part: String) -> Int { ranges(of: part).count }
}
