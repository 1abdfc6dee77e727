import DurableCore
import DurableTask
import FoundationEssentials
import Testing

/// An orchestration that must take the same way whatever is cached, replayed or batched.
struct Scenario: Sendable, CustomTestStringConvertible {
    let name: String
    var external: [HistoryEvent.Kind] = []
    let body: @Sendable (OrchestrationContext, Trace) async throws -> String

    var testDescription: String { name }

    func orchestration(_ trace: Trace) -> AnyOrchestration {
        AnyOrchestration(Orchestration(name) { context in try await body(context, trace) })
    }

    static let all: [Scenario] = plain + recoveries

    private static let plain: [Scenario] = [
        Scenario(name: "sequence") { context, trace in
            var text = ""
            for name in ["a", "b", "c"] { text += try await trace.echo(name, context) }
            return text
        },
        Scenario(name: "async let") { context, trace in
            async let first = trace.echo("a", context)
            async let second = trace.echo("b", context)
            async let third = both("c", context, trace)
            return try await "\(second)\(first)\(third)"
        },
        Scenario(name: "group of 20 in order of completion") { context, trace in
            try await withThrowingTaskGroup(of: String.self) { group in
                for index in 0..<20 { group.addTask { try await trace.echo("t\(index)", context) } }
                var text = ""
                for try await result in group { text += result + "," }
                return text
            }
        },
        Scenario(name: "nested groups, async let, helpers") { context, trace in
            try await withThrowingTaskGroup(of: String.self) { group in
                for index in 0..<4 {
                    group.addTask {
                        async let helper = both("x\(index)", context, trace)
                        let inner = try await withThrowingTaskGroup(of: String.self) { inner in
                            for other in 0..<3 {
                                inner.addTask { try await trace.echo("i\(index).\(other)", context) }
                            }
                            return try await inner.reduce(into: "") { text, result in
                                trace.say("inner \(index) got \(result)", context)
                                text += result
                            }
                        }
                        return try await inner + helper
                    }
                }
                return try await group.reduce("", +)
            }
        },
        Scenario(name: "patches, in a loop, in children, one deprecated") { context, trace in
            var text = ""
            for index in 0..<3 {
                if index > 0, context.isPatched("later") { text += try await trace.echo("p\(index)", context) }
                context.deprecatePatch("gone")
                text += try await trace.echo("s\(index)", context)
            }
            return try await withThrowingTaskGroup(of: String.self) { group in
                for index in 0..<4 {
                    group.addTask {
                        let name = try await trace.echo("t\(index)", context)
                        let isPatched = context.isPatched(index % 2 == 0 ? "even" : "odd")
                        trace.say("\(name) \(isPatched)", context)
                        return try await trace.echo("u\(index)", context)
                    }
                }
                return try await group.reduce(text, +)
            }
        },
        Scenario(name: "priorities in a group") { context, trace in
            try await withThrowingTaskGroup(of: String.self) { group in
                group.addTask(priority: .background) { try await trace.echo("background", context) }
                group.addTask(priority: .high) { try await trace.echo("high", context) }
                group.addTask(priority: .low) { try await both("low", context, trace) }
                return try await group.reduce("", +)
            }
        },
        Scenario(name: "discarding group") { context, trace in
            try await withThrowingDiscardingTaskGroup { group in
                for index in 0..<5 { group.addTask { _ = try await trace.echo("d\(index)", context) } }
            }
            return try await trace.echo("after", context)
        },
        Scenario(name: "failure cancels siblings, then compensation") { context, trace in
            do {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { _ = try await trace.echo("fine", context) }
                    group.addTask { _ = try await trace.echo("fail1", context) }
                    group.addTask {
                        do {
                            try await context.sleep(for: .seconds(1))
                        } catch {
                            trace.say("timer: \(error)", context)
                            throw error
                        }
                    }
                    try await group.waitForAll()
                }
                return "none failed"
            } catch {
                trace.say("caught \(error)", context)
                return "compensated " + (try await trace.echo("undo", context))
            }
        },
        Scenario(
            name: "timer against event", external: [.eventRaised(name: "approval", input: Payload("\"yes\""))]
        ) { context, trace in
            let first = try await withThrowingTaskGroup(of: String.self) { group in
                group.addTask { try await context.waitForExternalEvent("approval") }
                group.addTask {
                    try await context.sleep(for: .milliseconds(500))
                    return "timeout"
                }
                let first = try await group.next() ?? "none"
                trace.say("first \(first)", context)
                group.cancelAll()
                return first
            }
            return try await trace.echo("done-" + first, context)
        },
        Scenario(
            name: "event with timeout, twice",
            external: [
                .eventRaised(name: "other", input: nil), .eventRaised(name: "approval", input: Payload("1")),
                .eventRaised(name: "approval", input: Payload("2")),
            ]
        ) { context, trace in
            var text = ""
            async let activity = trace.echo("beside", context)
            for _ in 0..<2 {
                do {
                    let value = try await context.waitForExternalEvent("approval", as: Int.self, timeout: .seconds(9))
                    trace.say("got \(value)", context)
                    text += "\(value)"
                } catch let error as ExternalEventTimeout {
                    trace.say("\(error)", context)
                    text += "-"
                }
            }
            return try await text + activity
        },
        Scenario(
            name: "several waiters of one event",
            external: (1...6).map { .eventRaised(name: "item", input: Payload("\($0)")) }
        ) { context, trace in
            _ = try await trace.echo("before", context)
            return try await withThrowingTaskGroup(of: String.self) { group in
                for index in 0..<6 {
                    group.addTask { "\(index):\(try await context.waitForExternalEvent("item", as: Int.self)) " }
                }
                return try await group.reduce("", +)
            }
        },
        Scenario(name: "cancellation handlers") { context, trace in
            await withTaskGroup(of: Void.self) { group in
                for index in 0..<3 {
                    group.addTask {
                        do {
                            try await withTaskCancellationHandler {
                                if index == 0 { try await context.waitForExternalEvent("never") }
                                if index == 1 { try await context.sleep(for: .seconds(3600)) }
                                if index == 2 { _ = try await trace.echo("w", context) }
                            } onCancel: {
                                trace.say("cancelled \(index)", context)
                            }
                        } catch { trace.say("ended \(index) \(error)", context) }
                    }
                }
                group.addTask { _ = try? await trace.echo("v", context) }
                await group.next()
                group.cancelAll()
            }
            return "done"
        },
        Scenario(name: "private actor") { context, trace in
            let collector = Collector()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<5 {
                    group.addTask {
                        await collector.add(try await trace.echo("p\(index)", context))
                        try await collector.addEcho("q\(index)", context, trace)
                    }
                }
                try await group.waitForAll()
            }
            return await collector.texts.joined(separator: ",")
        },
        Scenario(name: "tasks that begin inside a private actor") { context, trace in
            let collector = Collector()
            return try await collector.echoAll(["a", "b", "c", "d"], context, trace)
        },
        Scenario(name: "AsyncStream between children") { context, trace in
            let (stream, continuation) = AsyncStream<String>.makeStream()
            async let all: String = {
                var text = ""
                for await element in stream {
                    trace.say("got \(element)", context)
                    text += element
                }
                return text
            }()
            for index in 0..<4 { continuation.yield(try await trace.echo("s\(index)", context)) }
            continuation.finish()
            return await all
        },
        Scenario(name: "Task.yield") { context, trace in
            async let first: Void = yieldThrice("A", context, trace)
            async let second: Void = yieldThrice("B", context, trace)
            _ = await (first, second)
            return try await trace.echo("z", context)
        },
        Scenario(name: "recorded values") { context, trace in
            var text = ""
            for index in 0..<4 {
                async let drawn: Int = {
                    _ = try await trace.echo("r\(index)", context)
                    return Int.random(in: 0..<1_000_000, using: &context.randomNumberGenerator)
                }()
                text += "\(context.now) \(context.newUUID()) "
                try await context.sleep(for: .seconds(index))
                text += "\(try await drawn) "
                trace.say(text, context)
            }
            return text
        },
        Scenario(name: "children in order, at once, failing, cancelled and left alone") { context, trace in
            var text = try await context.callSubOrchestration("one", "1", as: String.self)
            trace.say(text, context)
            async let two = context.callSubOrchestration("two", "2", instanceID: InstanceID("b"), as: String.self)
            async let work = trace.echo("a", context)
            text += try await "\(work)\(two)"
            do {
                text += try await context.callSubOrchestration("fail", as: String.self)
            } catch let failure as SubOrchestrationFailure {
                text += failure.details.message
            }
            try context.startOrchestration("alone", 1)
            return try await withThrowingTaskGroup(of: String.self) { group in
                group.addTask { try await context.callSubOrchestration("slow", "s", as: String.self) }
                group.addTask { try await trace.echo("fast", context) }
                let first = try await group.next() ?? "nobody"
                group.cancelAll()
                return text + first
            }
        },
        Scenario(name: "events raised, status set") { context, trace in
            for index in 0..<3 {
                context.setCustomStatus(["step": index])
                context.raiseEvent(to: InstanceID("other-\(index)"), "ping", index)
                _ = try await trace.echo("a\(index)", context)
            }
            return "ok"
        },
    ]
}

private func both(_ name: String, _ context: OrchestrationContext, _ trace: Trace) async throws -> String {
    let first = try await trace.echo(name + "x", context)
    return try await first + trace.echo(name + "y", context)
}

private func yieldThrice(_ name: String, _ context: OrchestrationContext, _ trace: Trace) async {
    for index in 0..<3 {
        trace.say("\(name)\(index)", context)
        await Task.yield()
    }
}

private actor Collector {
    var texts: [String] = []

    func add(_ text: String) { texts.append(text) }

    func addEcho(_ name: String, _ context: OrchestrationContext, _ trace: Trace) async throws {
        texts.append(try await trace.echo(name, context))
    }

    /// Children that run on the actor from their start, so that several stand in the actor's own queue.
    func echoAll(_ names: [String], _ context: OrchestrationContext, _ trace: Trace) async throws -> String {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for name in names {
                group.addTask { try await self.addEcho(name, context, trace) }
                group.addTask { [self] in
                    await pause(context, trace, name)
                    try await addEcho(name + "'", context, trace)
                }
            }
            try await group.waitForAll()
        }
        return texts.joined(separator: ",")
    }

    private func pause(_ context: OrchestrationContext, _ trace: Trace, _ name: String) async {
        trace.say("pause \(name)", context)
        await Task.yield()
    }
}
