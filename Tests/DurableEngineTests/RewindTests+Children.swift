import DurableClient
import DurableCore
import DurableTask
import Testing

extension RewindTests {
    @Test("Children that failed, and those that ended with their parent, go on; a purged one begins anew")
    func children() async throws {
        let hub = try await EngineHarness(partitions: 2)
        let waiting = Orchestration("Waiting") { (context: OrchestrationContext) -> String in
            try await context.waitForExternalEvent("go")
        }
        let parent = Orchestration("Parent") { [chain] (_: Int, context: OrchestrationContext) -> String in
            async let waited = context.callSubOrchestration(waiting, instanceID: InstanceID("waiting"))
            async let done = context.callSubOrchestration(chain, ["good"], instanceID: InstanceID("done"))
            _ = try await context.callSubOrchestration(chain, ["fine"], instanceID: InstanceID("fine"))
            let said = try await context.callSubOrchestration(chain, ["x", "bad"], instanceID: InstanceID("child"))
            return try await "\(said) \(done) \(waited)"
        }
        let worker = try hub.startWorker("w1", [call, chain, waiting, parent])
        try await hub.start("Parent", id: "p", input: "1")
        try await hub.wait(for: "p", .failed)
        try await hub.wait(for: "waiting", .canceled)
        #expect(try await hub.snapshot("child")?.status == .failed)
        _ = try await hub.moving { () async throws in try await client(hub).purge(InstanceID("waiting")) }
        provider.mend()
        #expect(try await rewind(hub, "p") == .verdict(.accepted))
        try await hub.wait(for: "child", .completed)
        try await hub.raise("go", to: "waiting", "\"gone\"", message: "go")
        #expect(try await hub.wait(for: "p", .completed).output == Payload("\"x! bad! good! gone\""))
        #expect(["x", "good", "fine", "bad"].map(provider.runs) == [1, 1, 1, 2])
        try await worker.stop()
    }

    @Test("A child that was canceled with its parent waits again when that is rewound; what came twice comes once")
    func canceledChild() async throws {
        let hub = try await EngineHarness()
        let waiting = Orchestration("Waiting") { (context: OrchestrationContext) -> String in
            try await context.waitForExternalEvent("go")
        }
        let parent = Orchestration("Parent") { [call] (_: Int, context: OrchestrationContext) -> String in
            async let waited = context.callSubOrchestration(waiting, instanceID: InstanceID("waiting"))
            let said = try await context.callActivity(call, "bad")
            return try await "\(said) \(waited)"
        }
        let worker = try hub.startWorker("w1", [call, waiting, parent])
        try await hub.start("Parent", id: "p", input: "1")
        for _ in 1...2 {
            try await hub.wait(for: "p", .failed)
            try await hub.wait(for: "waiting", .canceled)
            #expect(try await rewind(hub, "p") == .verdict(.accepted))
            try await hub.eventually("the child to wait") {
                let isWaiting = try await hub.snapshot("waiting")?.status != .canceled
                let hasFailed = try await hub.snapshot("p")?.status == .failed
                return isWaiting || hasFailed
            }
        }
        try await hub.wait(for: "p", .failed)
        try await hub.wait(for: "waiting", .canceled)
        provider.mend()
        #expect(try await rewind(hub, "p") == .verdict(.accepted))
        try await hub.wait(for: "waiting", .running)
        try await hub.raise("go", to: "waiting", "\"gone\"", message: "go")
        #expect(try await hub.wait(for: "p", .completed).output == Payload("\"bad! gone\""))
        try await worker.stop()
    }

    @Test("A child that was canceled with its parent has its activity, timer and child again")
    func canceledChildsRequests() async throws {
        let hub = try await EngineHarness()
        let grandchild = Orchestration("Grandchild") { [slow] (_: Int, context: OrchestrationContext) in
            try await context.callActivity(slow, "deep")
        }
        let child = Orchestration("Busy") { [slow] (_: Int, context: OrchestrationContext) -> String in
            async let deep = context.callSubOrchestration(grandchild, 1, instanceID: InstanceID("grandchild"))
            async let said = context.callActivity(slow, "said")
            try await context.sleep(for: .seconds(3600))
            return try await "\(said) \(deep)"
        }
        let parent = Orchestration("Parent") { [call] (_: Int, context: OrchestrationContext) -> String in
            async let busy = context.callSubOrchestration(child, 1, instanceID: InstanceID("busy"))
            try await context.sleep(for: .seconds(5))
            let said = try await context.callActivity(call, "bad")
            return try await "\(said) \(busy)"
        }
        let worker = try hub.startWorker("w1", [call, slow, grandchild, child, parent])
        try await hub.start("Parent", id: "p", input: "1")
        try await hub.wait(for: "p", .failed)
        for id in ["busy", "grandchild"] { try await hub.wait(for: id, .canceled) }
        provider.mend()
        #expect(try await rewind(hub, "p") == .verdict(.accepted))
        #expect(
            try await hub.wait(for: "p", .completed, moving: .seconds(10)).output
                == Payload("\"bad! said! deep!\""))
        try await worker.stop()
    }
}
