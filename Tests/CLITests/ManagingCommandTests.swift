import DurableBackend
import DurableCLI
import DurableClient
import DurableCore
import DurableMemory
import Testing

@Suite("dtq purge, tags and counts", .timeLimit(.minutes(5))) struct ManagingCommandTests {
    private func tagged(_ id: String, _ tags: [String: String], _ status: OrchestrationStatus = .completed)
        -> InstanceSnapshot
    {
        var snapshot = instance(id, "ShipOrder", status)
        snapshot.tags = [ExecutionStarted.Tag](tags)
        return snapshot
    }

    private func child(_ id: String, of parent: String, _ status: OrchestrationStatus = .completed) -> InstanceSnapshot
    {
        var snapshot = instance(id, "Part", status)
        snapshot.parent = InstanceID(parent)
        return snapshot
    }

    @Test("submit sends tags, and says what is wrong with those that cannot be")
    func submit() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(bench)
        let run = await bench.run("submit", "ShipOrder", "--id", "o-1", "--tag", "region=eu", "--tag", "customer=a=b")
        #expect(run.code == 0)
        guard case .executionStarted(let start)? = owner.messages.first?.event.kind else {
            Issue.record("no start was sent")
            return
        }
        #expect(start.tags == [.init(key: "customer", value: "a=b"), .init(key: "region", value: "eu")])
        let wrong = await bench.run("submit", "ShipOrder", "--tag", "region")
        #expect(wrong.code == 2)
        #expect(wrong.errors.contains("--tag is key=value here, this is not: region."))
        let twice = await bench.run("submit", "ShipOrder", "--tag", "a=1", "--tag", "a=2")
        #expect(twice.code == 2)
        let long = await bench.run("submit", "ShipOrder", "--tag", "a=" + String(repeating: "x", count: 300))
        #expect(long.errors.contains("300 bytes, at most 256 are possible. Nothing was sent."))
        #expect(owner.messages.count == 1)
    }

    @Test("Lines of a batch have tags of their own, on top of those of the command")
    func batch() throws {
        let request = try StartRequest(
            batchLine: Array(#"{"name":"A","tags":{"region":"us","x":"y"}}"#.utf8), defaultName: nil,
            defaultTags: [.init(key: "customer", value: "acme"), .init(key: "region", value: "eu")])
        #expect(
            request.tags == [
                .init(key: "customer", value: "acme"), .init(key: "region", value: "us"), .init(key: "x", value: "y"),
            ])
        for line in [#"{"name":"A","tags":["x"]}"#, #"{"name":"A","tags":{"x":1}}"#] {
            #expect(throws: BatchLineError.self) { try StartRequest(batchLine: Array(line.utf8), defaultName: nil) }
        }
    }

    @Test("list shows tags where there are some, and finds instances by tag and parent")
    func list() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(
            bench,
            .init(instances: [
                tagged("o-1", ["region": "eu", "urgent": ""]), tagged("o-2", ["region": "us"]),
                child("o-3", of: "o-1"),
            ]))
        let all = await bench.run("list")
        #expect(all.output.contains("TAGS"))
        #expect(all.output.contains("region=eu urgent=\n"))
        let eu = await bench.run("list", "--tag", "region=eu", "--tag", "urgent")
        #expect(eu.output.contains("o-1") && !eu.output.contains("o-2"))
        let children = await bench.run("list", "--parent", "o-1")
        #expect(children.output.contains("o-3") && !children.output.contains("o-1"))
        #expect(!children.output.contains("TAGS"))
        let json = await bench.run("list", "--parent", "o-1", "--json")
        #expect(json.output.contains(#""tags":{},"parent":"o-1""#))
        #expect(await bench.run("list", "--tag", "=eu").code == 2)
        #expect(await bench.run("status", "o-3").output.contains("parent     o-1\n"))
        _ = owner
    }

    @Test("list --count counts those that fit, by status")
    func count() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(
            bench,
            .init(instances: [
                tagged("o-1", ["region": "eu"], .failed), tagged("o-2", ["region": "eu"]), tagged("o-3", [:], .running),
            ]))
        #expect(
            await bench.run("list", "--count", "--tag", "region=eu")
                == Run(
                    code: 0, output: "STATUS     INSTANCES\ncompleted          1\nfailed             1\n", errors: ""))
        #expect(
            await bench.run("list", "--count", "--status", "failed", "--json").output
                == #"{"hub":"orders","total":1,"counts":{"running":0,"completed":0,"continued-as-new":0,"failed":1,"#
                + #""canceled":0,"terminated":0,"pending":0,"suspended":0}}"# + "\n")
        #expect(
            await bench.run("list", "--count", "--name", "Nobody")
                == Run(code: 0, output: "", errors: "No instances.\n"))
        #expect(await bench.run("list", "--count", "--cursor", "0-61").code == 2)
        _ = owner
    }

    @Test("purge removes an instance that has ended with what it called, and refuses one that has not")
    func purge() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(
            bench,
            .init(instances: [
                instance("o-1", "ShipOrder", .completed), child("o-2", of: "o-1"), child("o-3", of: "o-1", .running),
                child("o-4", of: "o-2", .failed), instance("o-5"),
            ]))
        // Nobody is there to ask.
        #expect(await bench.run("purge", "o-1").code == 2)
        let refused = await bench.run("purge", "o-5", "--yes")
        #expect(refused.code == 1)
        #expect(
            refused.errors.hasPrefix(
                "DTQ2013 instance o-5 of hub \"orders\" is running: only what has ended can be purged. Nothing was purged."
            ))
        #expect(
            await bench.run("purge", "o-1", "--yes")
                == Run(
                    code: 0, output: "o-1  purged: 3 instances, 9 events\n",
                    errors: "o-3 has not ended; it was left.\n"))
        #expect(await bench.run("purge", "o-1", "--yes").code == 3)
        #expect(
            await bench.run("purge", "o-1", "--yes", "--json")
                == Run(
                    code: 3, output: #"{"id":"o-1","purged":false,"instances":0,"events":0,"running":[]}"# + "\n",
                    errors: ""))
        let left = await bench.run("list")
        #expect(left.output.contains("o-3") && left.output.contains("o-5") && !left.output.contains("o-4"))
        _ = owner
    }

    @Test("purge --no-recurse leaves what it called")
    func purgeAlone() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(
            bench, .init(instances: [instance("o-1", "ShipOrder", .completed), child("o-2", of: "o-1")]))
        #expect(
            await bench.run("purge", "o-1", "--yes", "--no-recurse", "--json").output
                == #"{"id":"o-1","purged":true,"instances":1,"events":3,"running":[]}"# + "\n")
        #expect(await bench.run("status", "o-2").code == 0)
        _ = owner
    }

    @Test("bulk purge means those that have ended alone; a dry run shows them")
    func bulk() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(
            bench,
            .init(
                instances: (0..<300).map { tagged("o-\($0)", ["batch": "7"], $0 == 5 ? .running : .completed) }
                    + [tagged("other", [:]), child("c-1", of: "o-1")]))
        let dry = await bench.run("bulk", "purge", "--tag", "batch=7", "--dry-run", "--json")
        #expect(dry.output.hasPrefix(#"{"matched":299,"#) && !dry.output.contains(#""o-5""#))
        let purged = await bench.run("bulk", "purge", "--tag", "batch=7", "--yes", "--json")
        #expect(
            purged.output == #"{"matched":299,"accepted":299,"unanswered":0,"tooLate":0,"failed":0}"# + "\n")
        let left = await bench.run("list")
        #expect(left.output.contains("o-5 ") && left.output.contains("other") && left.output.contains("c-1"))
        #expect(!left.output.contains("o-1 "))
        _ = owner
    }

    @Test("bulk purge --recurse removes what they called, too")
    func bulkRecursive() async throws {
        let bench = try await Bench.withHub()
        let owner = try await ScriptedOwner.serve(
            bench, .init(instances: [tagged("o-1", ["batch": "7"]), child("c-1", of: "o-1")]))
        let purged = await bench.run("bulk", "purge", "--tag", "batch", "--recurse", "--yes")
        #expect(purged == Run(code: 0, output: "1 accepted\n", errors: ""))
        #expect(await bench.run("list").errors == "No instances.\n")
        _ = owner
    }

    @Test("A hub keeps what has ended for 30 days unless it is told otherwise")
    func retention() async throws {
        let bench = try Bench()
        let usual = await bench.run("hub", "create", "--hub", "a", "--queues", "classic")
        #expect(usual.output.contains("retention   30d\n"), "\(usual)")
        let never = await bench.run("hub", "create", "--hub", "b", "--retention", "never", "--json")
        #expect(never.output.contains(#""retentionSeconds":null"#), "\(never)")
        let hours = await bench.run("hub", "create", "--hub", "c", "--retention", "12h", "--json")
        #expect(hours.output.contains(#""retentionSeconds":43200"#))
        let other = await bench.run("hub", "create", "--hub", "c", "--retention", "1d")
        #expect(other.code == 1)
        #expect(other.errors.hasPrefix("DTQ1002 "))
        #expect(await bench.run("hub", "create", "--hub", "d", "--retention", "0s").code == 2)
    }
}
