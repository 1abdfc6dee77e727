import DurableCore
import DurableTask
import FoundationEssentials
import Testing

@Suite("Orchestration context") struct OrchestrationContextTests {
    @Test("Actions come in order of request, with IDs from 0, inputs encoded, the completion last")
    func actionsInOrder() throws {
        var driver = Driver(
            orchestrate { context -> String in
                context.setCustomStatus("began")
                context.raiseEvent(to: InstanceID("other"), "hello", ["n": 1])
                async let first: String = context.callActivity("First", 1)
                try await context.sleep(for: .milliseconds(1500))
                return try await first
            })
        let start = try driver.start()
        #expect(
            start == [
                .setCustomStatus(Payload("\"began\"")),
                .sendEvent(
                    id: EventID(0), instanceID: InstanceID("other"), name: "hello", input: Payload(#"{"n":1}"#)),
                .createTimer(id: EventID(1), fireAt: Timestamp(millisecondsSinceEpoch: 1100 + 1500)),
                .scheduleTask(id: EventID(2), name: "First", input: Payload("1")),
            ])
        let timer = driver.complete(EventID(1))
        #expect(try driver.episode([timer]) == [])
        let end = try driver.episode([.taskCompleted(taskID: EventID(2), result: Payload("\"done\""))])
        #expect(
            end == [
                .completeOrchestration(
                    id: EventID(3), status: .completed, result: Payload("\"done\""), failure: nil)
            ])
        #expect(driver.session.isComplete)
    }

    @Test("An activity's failure is thrown with its name, task and details") func activityFailure() throws {
        var driver = Driver(
            orchestrate { context -> String in
                do {
                    let _: Int = try await context.callActivity("failCharge", 1)
                    return "charged"
                } catch let failure as ActivityFailure {
                    return "\(failure.activityName) \(failure.taskID) \(failure.details.errorType)"
                }
            })
        try driver.start()
        try driver.episode([driver.complete(EventID(0))])
        #expect(driver.outcome == "completed \"failCharge 0 Declined\"")
    }

    @Test("An uncaught activity failure fails the orchestration and stands in its causes") func failureChain() throws {
        let inner = FailureDetails(errorType: "SocketError", message: "reset")
        let outer = FailureDetails(
            errorType: "PaymentDeclined", message: "no funds", isNonRetryable: true, cause: [inner])
        var driver = Driver(orchestrate { context in let _: Int = try await context.callActivity("Charge", 1) })
        try driver.start()
        try driver.episode([.taskFailed(taskID: EventID(0), failure: outer)])
        var plain = outer
        plain.cause = []
        #expect(
            driver.failure
                == FailureDetails(
                    errorType: "ActivityFailure",
                    message: "activity \"Charge\" (task 0) failed: PaymentDeclined: no funds", isNonRetryable: true,
                    cause: [plain, inner]))
    }

    @Test("The code's own error fails the orchestration by its type and description") func ownError() throws {
        var driver = Driver(orchestrate { _ in throw OutOfStock(item: "hat") })
        try driver.start()
        #expect(
            driver.failure
                == FailureDetails(errorType: "OutOfStock", message: "no hat left", isNonRetryable: true))
        var detailed = Driver(orchestrate { _ in throw FailureDetails(errorType: "Mine", message: "as written") })
        try detailed.start()
        #expect(detailed.failure == FailureDetails(errorType: "Mine", message: "as written"))
    }

    @Test("Timers in the past are timers all the same", arguments: [-5, 0, 5])
    func pastTimers(offset: Int) throws {
        var driver = Driver(
            orchestrate { context in
                try await context.sleep(until: context.now + .milliseconds(offset))
                try await context.sleep(for: .milliseconds(offset))
            })
        let due = Timestamp(millisecondsSinceEpoch: Int64(1100 + offset))
        #expect(try driver.start() == [.createTimer(id: EventID(0), fireAt: due)])
        let next = try driver.episode([driver.complete(EventID(0))])
        #expect(next == [.createTimer(id: EventID(1), fireAt: due + .milliseconds(100))])
    }

    @Test("A cancelled task asks for nothing; one cancelled while it waits ends, its late result is ignored")
    func cancellation() throws {
        var driver = Driver(
            orchestrate { context -> [String] in
                await withTaskGroup(of: String.self) { group in
                    group.addTask { await ending { let _: String = try await context.callActivity("Slow", 1) } }
                    group.addTask { await ending { try await context.sleep(for: .seconds(60)) } }
                    group.addTask {
                        await ending { try await context.waitForExternalEvent("go", timeout: .seconds(60)) }
                    }
                    try? await context.waitForExternalEvent("stop")
                    group.cancelAll()
                    group.addTask { await ending { let _: String = try await context.callActivity("Never", 1) } }
                    group.addTask { await ending { try await context.sleep(for: .seconds(1)) } }
                    group.addTask { await ending { try await context.waitForExternalEvent("go") } }
                    return await group.reduce(into: []) { $0.append($1) }
                }
            })
        try driver.start()
        #expect(driver.open.count == 3)
        let actions = try driver.episode([
            .eventRaised(name: "stop", input: nil),
            .taskCompleted(taskID: EventID(0), result: Payload("\"late\"")),
            .timerFired(timerID: EventID(1), fireAt: .distantPast),
        ])
        #expect(
            actions.dropLast() == [
                .cancelTask(id: EventID(0)), .cancelTimer(id: EventID(1)), .cancelTimer(id: EventID(2)),
            ])
        let all = Array(repeating: "\"CancellationError\"", count: 6).joined(separator: ",")
        #expect(driver.outcome == "completed [\(all)]")
    }

    @Test("Time stands still within an episode and moves with the next") func now() throws {
        var driver = Driver(
            orchestrate { context -> [Int64] in
                let first = context.now
                let _: Int = try await context.callActivity("a", 1)
                let second = context.now
                return [first, second, context.now].map(\.millisecondsSinceEpoch)
            })
        try driver.start()
        try driver.episode([driver.complete(EventID(0))])
        #expect(driver.outcome == "completed [1100,1200,1200]")
    }

    @Test("Random numbers and UUIDs are fixed by instance and execution ID, for ever") func recordedValues() throws {
        var driver = Driver(
            orchestrate { context -> [String] in
                let numbers = (0..<2).map { _ in "\(context.randomNumberGenerator.next())" }
                return numbers + [context.newUUID().uuidString, context.newUUID().uuidString]
            })
        try driver.start()
        let values = try JSONDecoder().decode([String].self, from: Data(try #require(driver.resultBytes)))
        #expect(
            values == [
                "16939625434374786107", "10628746383132146085",
                "2AA861A2-2D49-8852-B514-FB9A675E326C", "F601411A-1D53-845B-8428-2313FF9B61E7",
            ])
    }

    @Test("UUIDs are of version 8, RFC variant, and do not repeat") func uuids() throws {
        var driver = Driver(orchestrate { context -> [UUID] in (0..<1000).map { _ in context.newUUID() } })
        try driver.start()
        let uuids = try JSONDecoder().decode([UUID].self, from: Data(try #require(driver.resultBytes)))
        #expect(Set(uuids).count == 1000)
        #expect(uuids.allSatisfy { $0.uuid.6 >> 4 == 8 && $0.uuid.8 >> 6 == 0b10 })
    }

    @Test("The context knows its instance") func identity() throws {
        var driver = Driver(
            orchestrate { context in
                "\(context.name) \(context.version ?? "-") \(context.instanceID) \(context.executionID)"
            })
        try driver.start()
        #expect(driver.outcome == "completed \"test 1 order-1 e-1\"")
    }

    @Test("A long run does not pile up settled operations") func longRun() throws {
        var driver = Driver(
            orchestrate { context -> Int in
                var sum = 0
                async let beside: Int = context.callActivity("beside", 1)
                for number in 0..<2000 { sum += try await context.callActivity("add", number) }
                return try await sum + beside
            })
        try driver.start()
        let small = driver.session.estimatedBytes
        for id in 0...2000 where id != 1 { try driver.episode([driver.complete(EventID(Int32(id)))]) }
        #expect(driver.session.estimatedBytes < small + 20_000)
        try driver.episode([driver.complete(EventID(1))])
        #expect(driver.outcome == "completed \(2000 * 1999 / 2 + 1)")
    }
}

private func ending(_ body: () async throws -> Void) async -> String {
    do {
        try await body()
        return "done"
    } catch { return "\(type(of: error))" }
}

private struct OutOfStock: NonRetryableError, CustomStringConvertible {
    let item: String
    var description: String { "no \(item) left" }
}

extension Driver {
    var resultBytes: [UInt8]? {
        guard case .completeOrchestration(_, _, let result?, _)? = episodes.last?.actions.last else { return nil }
        return result.bytes
    }
}
