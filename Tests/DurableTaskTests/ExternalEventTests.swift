import DurableCore
import DurableTask
import Testing

@Suite("External events") struct ExternalEventTests {
    private func event(_ name: String, _ json: String?) -> HistoryEvent.Kind {
        .eventRaised(name: name, input: json.map { Payload($0) })
    }

    @Test("Events that come early are kept by name and taken in order of arrival") func early() throws {
        var driver = Driver(
            orchestrate { context -> [Int] in
                let _: Int = try await context.callActivity("first", 0)
                var numbers: [Int] = []
                for name in ["b", "a", "b", "a"] { numbers.append(try await context.waitForExternalEvent(name)) }
                return numbers
            })
        try driver.start()
        try driver.episode([event("a", "1"), event("a", "2"), event("b", "3")])
        #expect(try driver.episode([driver.complete(EventID(0))]) == [])
        try driver.episode([event("b", "4")])
        #expect(driver.outcome == "completed [3,1,4,2]")
    }

    @Test("An event without data that comes early is taken too") func earlyWithoutData() throws {
        var driver = Driver(orchestrate { context in try await context.waitForExternalEvent("a") })
        let started = ExecutionStarted(
            name: "test", instanceID: Driver.instanceID, executionID: Driver.executionID)
        try driver.episode([event("a", nil), .executionStarted(started)])
        #expect(driver.outcome == "completed nothing")
    }

    @Test("Events that come with the start are kept too") func beforeStart() throws {
        var driver = Driver(orchestrate { context -> Int in try await context.waitForExternalEvent("a") })
        let started = ExecutionStarted(
            name: "test", instanceID: Driver.instanceID, executionID: Driver.executionID)
        try driver.episode([event("a", "5"), .executionStarted(started)])
        #expect(driver.outcome == "completed 5")
    }

    @Test("Waiters of one name are served in order of request, one that left is passed over") func waiters() throws {
        var driver = Driver(
            orchestrate { context -> [String] in
                try await withThrowingTaskGroup(of: String.self) { group in
                    for index in 0..<3 {
                        group.addTask {
                            if index != 1 {
                                return "\(index):\(try await context.waitForExternalEvent("e", as: Int.self))"
                            }
                            do {
                                return
                                    "\(try await context.waitForExternalEvent("e", as: Int.self, timeout: .seconds(1)))"
                            } catch is ExternalEventTimeout { return "1:timeout" }
                        }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
            })
        try driver.start()
        try driver.episode([driver.complete(EventID(0)), event("e", "7"), event("e", "8")])
        #expect(driver.outcome == #"completed ["1:timeout","0:7","2:8"]"#)
    }

    @Test("A wait with timeout: an early event takes no timer, a later one drops it, none throws")
    func timeout() throws {
        var driver = Driver(
            orchestrate { context -> String in
                let early = try await context.waitForExternalEvent("e", as: Int.self, timeout: .seconds(1))
                let later = try await context.waitForExternalEvent("e", as: Int.self, timeout: .seconds(2))
                do {
                    try await context.waitForExternalEvent("e", timeout: .seconds(3))
                    return "none"
                } catch let error as ExternalEventTimeout {
                    return "\(early) \(later) \(error)"
                }
            })
        let started = ExecutionStarted(
            name: "test", instanceID: Driver.instanceID, executionID: Driver.executionID)
        let start = try driver.episode([event("e", "1"), .executionStarted(started)])
        #expect(start == [.createTimer(id: EventID(0), fireAt: Timestamp(millisecondsSinceEpoch: 3100))])
        let second = try driver.episode([event("e", "2")])
        #expect(
            second == [
                .cancelTimer(id: EventID(0)),
                .createTimer(id: EventID(1), fireAt: Timestamp(millisecondsSinceEpoch: 4200)),
            ])
        try driver.episode([driver.complete(EventID(1))])
        #expect(driver.outcome == #"completed "1 2 no external event \"e\" came within 3.0 seconds""#)
    }

    @Test("An event and the timer of its wait in one episode: the first of the two counts", arguments: [true, false])
    func eventAndTimerTogether(eventFirst: Bool) throws {
        var driver = Driver(
            orchestrate { context -> String in
                do {
                    try await context.waitForExternalEvent("e", timeout: .seconds(1))
                    return "event"
                } catch is ExternalEventTimeout {
                    try await context.waitForExternalEvent("e")
                    return "timeout, then event"
                }
            })
        try driver.start()
        let timer = driver.complete(EventID(0))
        try driver.episode(eventFirst ? [event("e", nil), timer] : [timer, event("e", nil)])
        #expect(driver.outcome == (eventFirst ? #"completed "event""# : #"completed "timeout, then event""#))
    }

    @Test("Data of the wrong type throws, names the event and quotes nothing") func wrongType() throws {
        var driver = Driver(
            orchestrate { context in
                let _: Int = try await context.waitForExternalEvent("amount")
            })
        try driver.start()
        try driver.episode([event("amount", #""secret""#)])
        let failure = try #require(driver.failure)
        #expect(failure.message.contains("event \"amount\"") && failure.message.contains("Int"))
        #expect(!failure.message.contains("secret"))
    }

    @Test("10,000 early events of one name are taken in order") func many() throws {
        var driver = Driver(
            orchestrate { context -> Bool in
                let _: Int = try await context.callActivity("first", 0)
                for number in 0..<10_000 {
                    if try await context.waitForExternalEvent("n", as: Int.self) != number { return false }
                }
                return true
            })
        try driver.start()
        try driver.episode((0..<10_000).map { event("n", "\($0)") })
        try driver.episode([driver.complete(EventID(0))])
        #expect(driver.outcome == "completed true")
    }
}
