import DurableBackend
import DurableCLI
import DurableCore
import DurableMemory
import Testing

@Suite("dtq drain", .timeLimit(.minutes(5))) struct DrainCommandTests {
    /// Two workers that drain when asked, with receipts.
    private func fleet(_ bench: Bench) async throws -> ScriptedOwner {
        try await ScriptedOwner.serve(
            bench,
            .init(
                heartbeats: [heartbeat("worker-a", partitions: [0]), heartbeat("worker-b", partitions: [1])],
                drained: { heartbeat in
                    var last = heartbeat
                    last.state = .stopped
                    var receipt = WorkerReceipt()
                    receipt.finishedActivities = 3
                    receipt.releasedPartitions = 1
                    receipt.returnedDeliveries = 2
                    receipt.duration = .milliseconds(1250)
                    last.receipt = receipt
                    return last
                }))
    }

    /// Moves the clock through the roll call and the waits after it.
    private func drive(_ bench: Bench, _ owner: ScriptedOwner?) async {
        await bench.finishRollCall(after: owner)
        while !Task.isCancelled {
            await bench.clock.waitForSleeper(until: bench.clock.now() + .seconds(1))
            if Task.isCancelled { return }
            // What the workers say must be heard before the second is over.
            await eventually { bench.listenerHasReadAll() && (owner?.drains.count ?? 1) > 0 }
            bench.clock.advance(by: .seconds(1))
        }
    }

    @Test("drain WORKER asks that one and shows its receipt")
    func one() async throws {
        let bench = try await Bench.withHub()
        let owner = try await fleet(bench)
        let run = await bench.run("drain", "worker-b", "--grace", "2m") { await drive($0, owner) }
        #expect(
            run
                == Run(
                    code: 0,
                    output:
                        "worker-b  drained in 1.25 s: 3 finished, 1 partition handed over, 2 returned, 0 cancelled\n",
                    errors: ""))
        #expect(owner.drains.first == DrainRequest(workers: [WorkerID("worker-b")], grace: .seconds(120)))
    }

    @Test("drain --all --json prints one document; without --grace workers use their own")
    func all() async throws {
        let bench = try await Bench.withHub()
        let owner = try await fleet(bench)
        let run = await bench.run("drain", "--all", "--yes", "--json") { await drive($0, owner) }
        let receipt = #"{"finished":3,"handed_over":1,"returned":2,"cancelled":0,"seconds":1.25}"#
        #expect(
            run
                == Run(
                    code: 0,
                    output: #"{"hub":"orders","workers":[{"worker":"worker-a","outcome":"drained","receipt":"# + receipt
                        + #"},{"worker":"worker-b","outcome":"drained","receipt":"# + receipt + "}]}\n", errors: ""))
        #expect(owner.drains.first?.workers == [WorkerID("worker-a"), WorkerID("worker-b")])
        #expect(owner.drains.first?.grace == nil)
    }

    @Test("A worker that falls silent without a receipt makes drain fail")
    func silent() async throws {
        let bench = try await Bench.withHub()
        let owner = try await fleet(bench)
        owner.change { $0.drained = { _ in nil } }
        let run = await bench.run("drain", "worker-a") { await drive($0, owner) }
        #expect(run == Run(code: 1, output: "worker-a  fell silent: no receipt\n", errors: ""))
        // Asked again every second while it did not say that it drains.
        #expect(owner.drains.count > 1)
    }

    @Test("drain of a worker that is not there does nothing and exits 3")
    func unknown() async throws {
        let bench = try await Bench.withHub()
        let owner = try await fleet(bench)
        let run = await bench.run("drain", "worker-a", "worker-z") { await drive($0, owner) }
        #expect(
            run
                == Run(
                    code: 3, output: "",
                    errors: "No such worker of hub \"orders\": worker-z. Nothing was done. "
                        + "dtq workers shows those that are alive.\n"))
        #expect(owner.drains.isEmpty)
    }

    @Test("drain --all asks first")
    func confirmation() async throws {
        let bench = try await Bench.withHub()
        let owner = try await fleet(bench)
        let refused = await bench.run("drain", "--all") { await drive($0, owner) }
        #expect(refused.code == 2)
        #expect(refused.errors.contains("add --yes"), "\(refused.errors)")
        let denied = await bench.run(["drain", "--all"], input: ["no\n"], terminal: .init(isInput: true)) {
            await $0.finishRollCall(after: owner, answers: 2)
        }
        #expect(denied.code == 1)
        #expect(denied.errors.contains("This stops all 2 workers of hub \"orders\"."), "\(denied.errors)")
        #expect(owner.drains.isEmpty)
    }

    @Test("drain --all without workers has nothing to do")
    func nobody() async throws {
        let bench = try await Bench.withHub()
        let run = await bench.run("drain", "--all", "--yes") { await $0.finishRollCall(after: nil) }
        #expect(run == Run(code: 0, output: "", errors: "No worker of hub \"orders\" answered within a second.\n"))
    }

    @Test(
        "Options of drain that make no sense are wrong usage",
        arguments: [[], ["--all", "worker-a"], ["worker-a", "--grace", "soon"]])
    func wrong(_ options: [String]) async throws {
        let bench = try await Bench.withHub()
        let run = await bench.run(["drain"] + options)
        #expect(run.code == 2)
        #expect(run.output == "")
    }
}
