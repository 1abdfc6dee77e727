import DurableCore
import DurableTask
import Testing

@Suite("Patches") struct PatchTests {
    private typealias Body = @Sendable (OrchestrationContext) async throws -> String

    private static func code(_ body: @escaping Body) -> AnyOrchestration {
        AnyOrchestration(Orchestration("test") { (context: OrchestrationContext) in try await body(context) })
    }

    /// First, then a second activity; then an event, then a third one.
    private static let unpatched = code { context in
        let first: String = try await context.callActivity("First", "1")
        let second: String = try await context.callActivity("Second", "2")
        try await context.waitForExternalEvent("go")
        let third: String = try await context.callActivity("Third", "3")
        return first + second + third
    }

    /// The same with another second activity, and another third one.
    private static let patched = code { context in
        let first: String = try await context.callActivity("First", "1")
        let isPatched = context.isPatched("x")
        let second: String = try await context.callActivity(isPatched ? "Other" : "Second", "2")
        try await context.waitForExternalEvent("go")
        let third: String = try await context.callActivity(context.isPatched("x") ? "Last" : "Third", "3")
        return first + second + third
    }

    /// The new way alone.
    private static let deprecated = code { context in
        let first: String = try await context.callActivity("First", "1")
        context.deprecatePatch("x")
        let second: String = try await context.callActivity("Other", "2")
        try await context.waitForExternalEvent("go")
        context.deprecatePatch("x")
        let third: String = try await context.callActivity("Last", "3")
        return first + second + third
    }

    /// As if there never had been another way.
    private static let cleaned = code { context in
        let first: String = try await context.callActivity("First", "1")
        let second: String = try await context.callActivity("Other", "2")
        try await context.waitForExternalEvent("go")
        let third: String = try await context.callActivity("Last", "3")
        return first + second + third
    }

    /// - Parameter count: Episodes, up to 4, after which the instance has ended.
    private func run(_ code: AnyOrchestration, episodes count: Int = 4) throws -> Driver {
        var driver = Driver(code)
        try proceed(&driver, through: 0..<count)
        return driver
    }

    private func proceed(_ driver: inout Driver, through range: Range<Int>) throws {
        for index in range {
            switch index {
            case 0: try driver.start()
            case 2: try driver.episode([.eventRaised(name: "go", input: nil)] + answers(&driver))
            default: try driver.episode(answers(&driver))
            }
        }
    }

    private func answers(_ driver: inout Driver) -> [HistoryEvent.Kind] {
        driver.open.compactMap { $0.eventID }.map { driver.complete($0) }
    }

    /// Goes on with other code, rebuilt from the history.
    private func redeploy(_ driver: inout Driver, _ code: AnyOrchestration) throws {
        driver.session.evict()
        driver.session = Driver.session(code, patches: driver.history.recordedPatches)
        try driver.session.replay(driver.history)
    }

    private func names(_ driver: Driver) -> [String] {
        driver.history.compactMap { if case .taskScheduled(let name, _) = $0.kind { name } else { nil } }
    }

    private func patches(_ driver: Driver) -> [HistoryEvent.Kind] {
        driver.history.map(\.kind).filter { if case .patchRecorded = $0 { true } else { false } }
    }

    @Test("The first live call is true, recorded once without an event ID, before what the new way asks for")
    func live() throws {
        let driver = try run(Self.patched)
        #expect(names(driver) == ["First", "Other", "Last"])
        #expect(
            driver.episodes[1].actions == [
                .recordPatch(id: "x", isDeprecated: false),
                .scheduleTask(id: EventID(1), name: "Other", input: Payload("\"2\"")),
            ])
        #expect(patches(driver) == [.patchRecorded(id: "x", isDeprecated: false)])
    }

    @Test("Replay gives the same answers, from each episode on", arguments: 0...4) func replays(cut: Int) throws {
        var driver = try run(Self.patched, episodes: cut)
        try redeploy(&driver, Self.patched)
        try proceed(&driver, through: cut..<4)
        #expect(driver.history.map(\.kind) == (try run(Self.patched)).history.map(\.kind))
    }

    @Test("An execution that has not come to the place goes the new way", arguments: 0...1)
    func before(cut: Int) throws {
        var driver = try run(Self.unpatched, episodes: cut)
        if cut > 0 { try redeploy(&driver, Self.patched) } else { driver = Driver(Self.patched) }
        try proceed(&driver, through: cut..<4)
        #expect(names(driver) == ["First", "Other", "Last"])
    }

    @Test("One that has passed it stays on the old way, live too and after the next replay", arguments: 2...3)
    func passed(cut: Int) throws {
        var driver = try run(Self.unpatched, episodes: cut)
        try redeploy(&driver, Self.patched)
        try proceed(&driver, through: cut..<cut + 1)
        try redeploy(&driver, Self.patched)
        try proceed(&driver, through: cut + 1..<4)
        #expect(names(driver) == ["First", "Second", "Third"])
        #expect(patches(driver) == [])
        #expect(driver.outcome == #"completed "123""#)
    }

    @Test("Code without the patch does not replay what recorded it") func rolledBack() throws {
        let history = try run(Self.patched, episodes: 2).history
        let failure = try episodeFailure {
            try Driver.session(Self.unpatched, patches: history.recordedPatches).replay(history)
        }
        #expect(
            failure
                == .nonDeterministic(
                    position: 5, historyHolds: #"PatchRecorded "x""#, codeAsked: #"activity "Second" (event ID 1)"#))
        // Not even where it asks for what the new way asked for.
        #expect(throws: EpisodeFailure.self) {
            try Driver.session(Self.cleaned, patches: history.recordedPatches).replay(history)
        }
    }

    @Test("A patch asked for where history holds none diverges") func movedBack() throws {
        let history = try run(Self.patched, episodes: 2).history
        let moved = Self.code { context in
            _ = context.isPatched("x")
            return try await context.callActivity("First", "1")
        }
        let failure = try episodeFailure {
            try Driver.session(moved, patches: history.recordedPatches).replay(history)
        }
        #expect(
            failure
                == .nonDeterministic(
                    position: 2, historyHolds: #"TaskScheduled "First" (event ID 0)"#,
                    codeAsked: #"whether it is patched with "x""#))
    }

    @Test("Two patches are answered each by itself") func two() throws {
        let code = Self.code { context in
            let first = context.isPatched("a")
            try await context.waitForExternalEvent("go")
            let second = context.isPatched("b")
            return "\(first) \(second) \(context.isPatched("a"))"
        }
        let old = Self.code { context in
            try await context.waitForExternalEvent("go")
            return ""
        }
        for (before, expected) in [(code, "true true true"), (old, "false true false")] {
            var driver = Driver(before)
            try driver.start()
            try redeploy(&driver, code)
            try driver.episode([.eventRaised(name: "go", input: nil)])
            #expect(driver.outcome == "completed \"\(expected)\"")
        }
    }

    @Test("Deprecating code replays what recorded the patch, itself or asked for, and what passed without it")
    func deprecates() throws {
        for before in [Self.patched, Self.deprecated, Self.cleaned] {
            for cut in 1...3 {
                var driver = try run(before, episodes: cut)
                try redeploy(&driver, Self.deprecated)
                try proceed(&driver, through: cut..<4)
                #expect(driver.outcome == #"completed "123""#)
                try redeploy(&driver, Self.deprecated)
            }
        }
        #expect(patches(try run(Self.deprecated)) == [.patchRecorded(id: "x", isDeprecated: true)])
    }

    @Test("What deprecating code recorded is patched for code that still asks, and fits code that asks no more")
    func deprecated() throws {
        for after in [Self.patched, Self.cleaned] {
            for cut in 2...3 {
                var driver = try run(Self.deprecated, episodes: cut)
                try redeploy(&driver, after)
                try proceed(&driver, through: cut..<4)
                #expect(names(driver) == ["First", "Other", "Last"])
                #expect(patches(driver).count == 1)
                try redeploy(&driver, after)
            }
        }
    }

    @Test("A deprecated patch that code asks for later is there already, live and on replay") func askedLater() throws {
        let later = Self.code { context in
            let _: String = try await context.callActivity("First", "1")
            let _: String = try await context.callActivity("Other", "2")
            try await context.waitForExternalEvent("go")
            return "\(context.isPatched("x"))"
        }
        var driver = try run(Self.deprecated, episodes: 2)
        try redeploy(&driver, later)
        try proceed(&driver, through: 2..<3)
        #expect(driver.outcome == #"completed "true""#)
        #expect(patches(driver).count == 1)
        try redeploy(&driver, later)
    }

    @Test("Where history is gone through once more, no patch is new") func repeatsHistory() throws {
        let driver = try run(Self.unpatched)
        var options = NativeOrchestration.Options()
        options.repeatsHistory = true
        let session = Driver.session(Self.patched, options: options)
        for episode in driver.episodes { #expect(try session.run(episode.newEvents) == episode.actions) }
    }

    @Test("An ID that cannot be used fails the instance", arguments: ["", "a\nb", String(repeating: "x", count: 129)])
    func unusable(_ id: String) throws {
        for isDeprecated in [false, true] {
            let code = Self.code { context in
                if isDeprecated { context.deprecatePatch(id) } else if context.isPatched(id) { return "patched" }
                return try await context.callActivity("Next", "1")
            }
            var driver = Driver(code)
            try driver.start()
            let failure = try #require(driver.failure)
            #expect(failure.errorType == "InvalidPatchID")
            #expect(failure.message.contains("1 to 128 bytes"))
            #expect(driver.history.map(\.typeName).last == "ExecutionCompleted" && driver.history.count == 3)
            try Driver.session(code).replay(driver.history)
        }
        let longest = Self.code { "\($0.isPatched(String(repeating: "x", count: 128)))" }
        #expect(try run(longest, episodes: 1).outcome == #"completed "true""#)
    }
}
