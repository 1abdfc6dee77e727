internal import DurableBackend
internal import DurableCore

extension StoreRule {
    static func unknownInstanceIsNil(_ fixture: StoreFixture) throws {
        let id = InstanceID("nobody")
        try StorageCheck.equal(try fixture.store.instance(id), nil, "unknown instance")
        let events = try fixture.store.history(of: id, from: 0, byteLimit: 1000)
        try StorageCheck.equal(events, [], "history of an unknown instance")
    }

    static func instanceComesBackAsFlushed(_ fixture: StoreFixture) async throws {
        let hold = Hold(code: "DTQ2003", text: "diverged")
        let states =
            OrchestrationStatus.allCases.map { status in
                SampleRecords.instance("i-\(status)", status: status, created: Int64(status.rawValue), timer: 3)
            } + [SampleRecords.instance("held", hold: hold), SampleRecords.instance("größe/日本 🜁")]
        try await fixture.flush(states)
        for state in states {
            try StorageCheck.equal(try fixture.store.instance(state.id), state, "instance \(state.id)")
        }
    }

    static func laterFlushReplacesTheInstance(_ fixture: StoreFixture) async throws {
        try await fixture.flush([SampleRecords.instance("a", timer: 5), SampleRecords.instance("b")])
        var state = SampleRecords.instance("a", status: .suspended, hold: Hold(code: "DTQ2005", text: "no code"))
        state.customStatus = Payload("\"halfway\"")
        state.lastUpdatedAt = SampleRecords.time(99)
        try await fixture.flush([state])
        try StorageCheck.equal(try fixture.store.instance(state.id), state, "instance")
        try StorageCheck.equal(try fixture.list(), ["a", "b"], "instances")
        // Nothing searched for changed, the rest did.
        state.customStatus = Payload("\"almost\"")
        state.lastUpdatedAt = SampleRecords.time(100)
        try await fixture.flush([state])
        try StorageCheck.equal(try fixture.store.instance(state.id), state, "instance after the third flush")
    }

    /// Text that Unicode calls equal goes to different partitions: the hash is over bytes.
    static func idsAreComparedByTheirBytes(_ fixture: StoreFixture) async throws {
        let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}")
        let one = SampleRecords.instance(composed, name: "One", created: 1)
        let two = SampleRecords.instance(decomposed, name: "Two", created: 2)
        try await fixture.flush([one])
        try StorageCheck.equal(
            try fixture.store.instance(InstanceID(decomposed))?.name, nil, "the other spelling, before it was flushed")
        try await fixture.flush([two])
        try StorageCheck.equal(try fixture.store.instance(InstanceID(composed))?.name, "One", "composed")
        try StorageCheck.equal(try fixture.store.instance(InstanceID(decomposed))?.name, "Two", "decomposed")
    }

    static func historyIsAppended(_ fixture: StoreFixture) async throws {
        let id = InstanceID("a")
        for range in [0..<3, 3..<4, 4..<9] {
            try await fixture.flush([
                .init(
                    state: SampleRecords.instance("a", historyCount: range.upperBound),
                    newHistory: SampleRecords.history(of: id, range), firstIndex: range.lowerBound)
            ])
        }
        // A flush without events leaves the history as it is.
        try await fixture.flush([
            .init(state: SampleRecords.instance("a", timer: 1, historyCount: 9), newHistory: [], firstIndex: 9)
        ])
        let events = try fixture.store.history(of: id, from: 0, byteLimit: 1 << 20)
        try StorageCheck.equal(events, SampleRecords.history(of: id, 0..<9), "history")
    }

    static func historyStartsWhereAsked(_ fixture: StoreFixture) async throws {
        let id = InstanceID("a")
        for range in [0..<5, 5..<10] {
            try await fixture.flush([
                .init(
                    state: SampleRecords.instance("a", historyCount: range.upperBound),
                    newHistory: SampleRecords.history(of: id, range), firstIndex: range.lowerBound)
            ])
        }
        for first in [0, 1, 4, 5, 6, 9] {
            let events = try fixture.store.history(of: id, from: first, byteLimit: 1 << 20)
            try StorageCheck.equal(events, SampleRecords.history(of: id, first..<10), "history from \(first)")
        }
        for first in [10, 11, 1000] {
            let events = try fixture.store.history(of: id, from: first, byteLimit: 1 << 20)
            try StorageCheck.equal(events, [], "history from \(first), beyond its end")
        }
    }

    static func historyPagesAreBoundedByBytes(_ fixture: StoreFixture) async throws {
        let id = InstanceID("a")
        let count = 1200
        for first in stride(from: 0, to: count, by: count / 2) {
            let range = first..<first + count / 2
            try await fixture.flush([
                .init(
                    state: SampleRecords.instance("a", historyCount: range.upperBound),
                    newHistory: SampleRecords.history(of: id, range, payloadBytes: 1000), firstIndex: first)
            ])
        }
        for byteLimit in [1, 200_000] {
            var events: [HistoryEvent] = []
            var pages = 0
            while true {
                let page = try fixture.store.history(of: id, from: events.count, byteLimit: byteLimit)
                if page.isEmpty { break }
                // A page may end with a whole chunk more than asked, not with the whole history.
                try StorageCheck.that(
                    page.count <= byteLimit / 1000 + 300, "a page of \(byteLimit) bytes has \(page.count) events")
                events += page
                pages += 1
            }
            try StorageCheck.that(
                events == SampleRecords.history(of: id, 0..<count, payloadBytes: 1000),
                "pages of \(byteLimit) bytes do not make up the history")
            try StorageCheck.that(pages > 1, "\(count) events of 1000 bytes came in one page of \(byteLimit) bytes")
        }
    }

    static func newExecutionReplacesTheHistory(_ fixture: StoreFixture) async throws {
        let id = InstanceID("a")
        try await fixture.flush([
            .init(
                state: SampleRecords.instance("a", historyCount: 6), newHistory: SampleRecords.history(of: id, 0..<6),
                firstIndex: 0)
        ])
        var next = SampleRecords.instance("a", historyCount: 2)
        next.executionID = ExecutionID("second")
        let events = SampleRecords.history(of: id, 10..<12)
        try await fixture.flush([.init(state: next, newHistory: events, firstIndex: 0)])
        let read = try fixture.store.history(of: id, from: 0, byteLimit: 1 << 20)
        try StorageCheck.equal(read, events, "history of the new execution")
        next.historyCount = 3
        try await fixture.flush([
            .init(state: next, newHistory: SampleRecords.history(of: id, 12..<13), firstIndex: 2)
        ])
        let all = try fixture.store.history(of: id, from: 0, byteLimit: 1 << 20)
        try StorageCheck.equal(all, SampleRecords.history(of: id, 10..<13), "history of the new execution, appended")
    }
}
