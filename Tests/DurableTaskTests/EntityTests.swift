import DurableCore
import DurableTask
import Testing

private let account = Entity("Account", initial: 0)
private let deposit = account.operation("deposit") { (balance: inout Int, amount: Int) -> Int in
    if amount < 0 { throw NegativeAmount() }
    balance += amount
    return balance
}
private let read = account.operation("read") { (balance: inout Int) in balance }

private struct NegativeAmount: Error {}

@Suite("Entities in orchestrations") struct EntityTests {
    private let a = account["a"].instanceID
    private let b = account["b"].instanceID

    @Test("Calls, signals and sections ask for what they say, in order") func actions() throws {
        let code = orchestrate { context -> Int in
            context.signal(deposit, on: "a", 1)
            return try await context.lock([account["b"], account["a"], account["b"]]) {
                try await context.call(read, on: "a")
            }
        }
        var driver = Driver(code)
        #expect(
            try driver.start() == [
                .signalEntity(id: EventID(0), target: a, operation: "deposit", input: Payload("1")),
                .lockEntities(id: EventID(1), [a, b]),
            ])
        #expect(
            try driver.episode([driver.complete(EventID(1))]) == [
                .callEntity(id: EventID(2), target: a, operation: "read", input: nil, section: EventID(1))
            ])
        let end = try driver.episode([
            .entityOperationCompleted(requestID: "\(Driver.executionID)/2", output: Payload("7"))
        ])
        #expect(
            end.prefix(2) == [
                .unlockEntity(section: EventID(1), target: a), .unlockEntity(section: EventID(1), target: b),
            ])
        #expect(driver.outcome == "completed 7")
    }

    @Test("A section that is given up while it is waited for is abandoned; one whose code throws ends") func ends()
        throws
    {
        let code = orchestrate { context -> String in
            let isGivenUp = await withTaskGroup(of: Bool.self) { group in
                group.addTask {
                    do {
                        try await context.lock([account["a"]]) {}
                        return false
                    } catch {
                        return error is CancellationError
                    }
                }
                group.addTask {
                    try? await context.waitForExternalEvent("enough")
                    return true
                }
                let first = await group.next() ?? false
                group.cancelAll()
                for await isLast in group where !isLast { return false }
                return first
            }
            do {
                try await context.lock([account["b"]]) { throw NegativeAmount() }
            } catch {
                return "\(isGivenUp) \(error)"
            }
            return "never"
        }
        var driver = Driver(code)
        try driver.start()
        #expect(
            try driver.episode([.eventRaised(name: "enough", input: nil)]) == [
                .abandonSection(EventID(0)), .lockEntities(id: EventID(1), [b]),
            ])
        #expect(
            try driver.episode([driver.complete(EventID(1))]).first
                == .unlockEntity(section: EventID(1), target: b))
        #expect(driver.outcome == #"completed "true NegativeAmount()""#)
    }

    @Test("Rules of sections: others are not called, sections not nested; code beside a section is free") func rules()
        throws
    {
        let code = orchestrate { context -> [String] in
            var said: [String] = []
            try await context.lock([account["a"]]) {
                do { _ = try await context.call(read, on: "b") } catch { said.append("\(type(of: error))") }
                do { try await context.lock([account["b"]]) {} } catch { said.append("\(type(of: error))") }
                said.append("\(context.lockedEntities)")
            }
            do { try await context.lock([]) {} } catch { said.append("\(type(of: error))") }
            do { _ = try await context.call(read, on: "\n") } catch { said.append("\(type(of: error))") }
            return said
        }
        var driver = Driver(code)
        try driver.start()
        try driver.episode([driver.complete(EventID(0))])
        #expect(
            driver.outcome
                == #"completed ["CriticalSectionError","CriticalSectionError","[@Account@a]","CriticalSectionError","InvalidInstanceID"]"#
        )
    }

    @Test("An operation that throws is a failure of the call") func failure() throws {
        let code = orchestrate { context -> String in
            do {
                return "\(try await context.call(deposit, on: "a", -1))"
            } catch let failure as EntityOperationFailure {
                return "\(failure.operation) \(failure.entity) \(failure.details.errorType)"
            }
        }
        var driver = Driver(code)
        try driver.start()
        let details = FailureDetails(errorType: "NegativeAmount", message: "")
        try driver.episode([.entityOperationFailed(requestID: "\(Driver.executionID)/0", failure: details)])
        #expect(driver.outcome == #"completed "deposit @Account@a NegativeAmount""#)
    }

    @Test(
        "Sections, calls and all else take the same turns live and on every replay",
        arguments: [UInt64](1...20), [true, false])
    func order(seed: UInt64, usesFastPath: Bool) throws {
        func code(_ trace: Trace) -> AnyOrchestration {
            orchestrate { context in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for key in ["a", "b", "c"] {
                        group.addTask {
                            try await context.lock([account[key], account["z"]]) {
                                trace.say("locked \(key)", context)
                                let sum = try await context.call(deposit, on: key, 1)
                                trace.say("\(key) has \(sum)", context)
                                _ = try await trace.echo("echo \(key)", context)
                            }
                            trace.say("unlocked \(key)", context)
                            context.signal(deposit, on: key, 2)
                        }
                    }
                    try await group.waitForAll()
                }
            }
        }
        try Driver.checkTurns(of: code, to: "completed nothing", seed: seed, usesFastPath: usesFastPath)
    }

    // MARK: - Performing

    private func perform(_ name: String, _ input: String?, on state: String?) throws -> EntityOutcome {
        let registry = try Registry(deposit, read)
        let entity = try #require(registry.entity(named: "Account"))
        return entity.perform(
            .signal(EntitySignal(requestID: "r", operation: name, input: input.map { Payload($0) })),
            on: account["a"], state: state.map { Payload($0) }, at: Timestamp(millisecondsSinceEpoch: 0))
    }

    @Test("An operation begins with the initial state; what it throws leaves the state as it was") func operations()
        throws
    {
        #expect(
            try perform("deposit", "5", on: nil)
                == EntityOutcome(state: Payload("5"), result: .completed(Payload("5"))))
        let failed = try perform("deposit", "-5", on: "3")
        #expect(failed.state == Payload("3"))
        guard case .failed(let failure) = failed.result else {
            Issue.record("it throws")
            return
        }
        #expect(failure.errorType == "NegativeAmount")
        guard case .failed(let unknown) = try perform("steal", nil, on: "3").result else {
            Issue.record("there is no such operation")
            return
        }
        #expect(unknown.errorType == "UnknownOperation")
        #expect(unknown.message.contains(#""deposit", "read""#))
        #expect(try perform("delete", nil, on: "3") == EntityOutcome(state: nil, result: .completed(nil)))
    }

    @Test("Operations of one name, or of states of different types, cannot be registered together") func registration()
    {
        #expect(throws: RegistryError.self) { try Registry(deposit, deposit) }
        let other = Entity("Account", initial: "").operation("say") { (text: inout String) in text }
        #expect(throws: RegistryError.self) { try Registry(deposit, other) }
        let unusable = Entity("a@b", initial: 0).operation("x") { (_: inout Int) in 1 }
        #expect(throws: RegistryError.self) { try Registry(unusable) }
    }
}
