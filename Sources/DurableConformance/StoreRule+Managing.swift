internal import DurableBackend
internal import DurableCore

extension StoreRule {
    static func listFiltersByTags(_ fixture: StoreFixture) async throws {
        let states = (0..<30).map { number in
            var tags = ["all": "\(number)"]
            if number.isMultiple(of: 2) { tags["region"] = number.isMultiple(of: 4) ? "eu" : "us" }
            if number.isMultiple(of: 3) { tags["urgent"] = "" }
            return SampleRecords.instance(
                "i-\(number)", status: OrchestrationStatus.allCases[number % 4], created: Int64(number / 2), tags: tags)
        }
        try await fixture.flush(states)
        let filters: [[TagFilter]] = [
            [.init(key: "region")], [.init(key: "region", value: "eu")], [.init(key: "urgent", value: "")],
            [.init(key: "region", value: "eu"), .init(key: "urgent")], [.init(key: "urgent"), .init(key: "region")],
            [.init(key: "all"), .init(key: "region", value: "us"), .init(key: "urgent", value: "")],
            [.init(key: "region", value: "%")], [.init(key: "Region")], [.init(key: "all", value: "7")],
        ]
        for filter in filters {
            for statuses in [[], [OrchestrationStatus.running, .failed]] {
                let expected = states.filter { state in
                    filter.allSatisfy { $0.fits(state.tags) } && (statuses.isEmpty || statuses.contains(state.status))
                }.sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
                var (listed, last) = ([String](), InstanceState?.none)
                while true {
                    let page = try fixture.list(ListFilter(statuses: statuses, tags: filter), after: last, limit: 3)
                    listed += page
                    guard let id = page.last else { break }
                    last = try fixture.store.instance(InstanceID(id))
                }
                try StorageCheck.equal(listed, expected.map(\.id.value), "pages with tags \(filter)")
            }
        }
        // What is flushed again keeps its tags; another instance of the ID has its own.
        var again = states[4]
        again.customStatus = Payload("1")
        try await fixture.flush([again])
        try StorageCheck.equal(
            try fixture.list(ListFilter(tags: [.init(key: "all", value: "4")])), ["i-4"], "after another flush")
        try await fixture.flush([SampleRecords.instance("i-4", created: 99, tags: ["region": "asia"])])
        try StorageCheck.equal(try fixture.list(ListFilter(tags: [.init(key: "all", value: "4")])), [], "old tags")
        let asian = try fixture.list(ListFilter(tags: [.init(key: "region", value: "asia")]))
        try StorageCheck.equal(asian, ["i-4"], "new tags")
    }

    static func listFiltersByParent(_ fixture: StoreFixture) async throws {
        try await fixture.flush([
            SampleRecords.instance("p", created: 0), SampleRecords.instance("b", created: 1, parent: "p"),
            SampleRecords.instance("a", status: .completed, created: 1, tags: ["x": "y"], parent: "p"),
            SampleRecords.instance("c", status: .completed, created: 3, parent: "P"),
            SampleRecords.instance("d", status: .failed, created: 4, parent: "p"),
        ])
        func list(_ filter: ListFilter) throws -> [String] { try fixture.list(filter) }
        try StorageCheck.equal(try list(ListFilter(parent: InstanceID("p"))), ["a", "b", "d"], "children of p")
        try StorageCheck.equal(try list(ListFilter(parent: InstanceID("nobody"))), [], "children of nobody")
        try StorageCheck.equal(
            try list(ListFilter(statuses: [.completed, .failed], parent: InstanceID("p"))), ["a", "d"],
            "those that ended")
        try StorageCheck.equal(
            try list(ListFilter(tags: [.init(key: "x")], parent: InstanceID("p"))), ["a"], "those with a tag")
    }

    static func countsByFilterAreThoseOfLists(_ fixture: StoreFixture) async throws {
        let states = (0..<40).map { number in
            SampleRecords.instance(
                number.isMultiple(of: 2) ? "even-\(number)" : "odd-\(number)",
                status: OrchestrationStatus.allCases[number % 8], name: number < 30 ? "Early" : "Late",
                created: Int64(number), tags: number.isMultiple(of: 5) ? ["five": "\(number)"] : [:],
                parent: number.isMultiple(of: 7) ? "p" : nil)
        }
        try await fixture.flush(states)
        let filters = [
            ListFilter(), ListFilter(name: "Early"), ListFilter(statuses: [.running, .failed], name: "Late"),
            ListFilter(idPrefix: "even-"), ListFilter(statuses: [.completed]), ListFilter(tags: [.init(key: "five")]),
            ListFilter(createdFrom: SampleRecords.time(7), createdTo: SampleRecords.time(21)),
            ListFilter(name: "Early", idPrefix: "odd-", parent: InstanceID("p")), ListFilter(name: "None"),
            ListFilter(idPrefix: "even-", tags: [.init(key: "five", value: "20")]),
        ]
        for filter in filters {
            let listed = try fixture.store.list(filter, after: nil, limit: 100)
            let expected = OrchestrationStatus.allCases.sorted { $0.rawValue < $1.rawValue }.compactMap { status in
                let count = listed.count { $0.status == status }
                return count == 0 ? nil : QueryAnswer.StatusCount(status: status, count: count)
            }
            try StorageCheck.equal(try fixture.store.counts(filter), expected, "counts of \(filter)")
        }
    }

    static func expiredInstancesAreOrdered(_ fixture: StoreFixture) async throws {
        func ended(_ id: String, _ status: OrchestrationStatus, at time: Int64) -> InstanceState {
            var state = SampleRecords.instance(id, status: status)
            state.lastUpdatedAt = SampleRecords.time(time)
            return state
        }
        try await fixture.flush([
            ended("d", .completed, at: 3), ended("b", .failed, at: 5), ended("a", .terminated, at: 5),
            ended("e", .canceled, at: 9), ended("open", .running, at: 1), ended("later", .suspended, at: 1),
        ])
        func expired(before time: Int64, _ limit: Int = 10) throws -> [String] {
            try fixture.store.expired(before: SampleRecords.time(time), limit: limit).map(\.id.value)
        }
        try StorageCheck.equal(try expired(before: 100), ["d", "a", "b", "e"], "all that ended")
        try StorageCheck.equal(try expired(before: 9), ["d", "a", "b"], "those that ended before 9")
        try StorageCheck.equal(try expired(before: 9, 2), ["d", "a"], "two of them")
        try StorageCheck.equal(try expired(before: 3), [], "those that ended before all")
        try await fixture.flush([ended("later", .terminated, at: 2)])
        let first = try fixture.store.expired(before: .distantFuture, limit: 1)
        let expected = [ExpiredInstance(end: SampleRecords.time(2), id: InstanceID("later"))]
        try StorageCheck.equal(first, expected, "one that ended later")
    }

    static func purgedInstancesAreGone(_ fixture: StoreFixture) async throws {
        func whole(_ id: String, events: Int = 3, _ status: OrchestrationStatus = .completed, created: Int64 = 0)
            -> StoreFlush.InstanceFlush
        {
            .init(
                state: SampleRecords.instance(
                    id, status: status, created: created, historyCount: events, tags: ["id": id], parent: "p"),
                newHistory: SampleRecords.history(of: InstanceID(id), 0..<events), firstIndex: 0)
        }
        func purged(_ ids: [String]) -> [PurgedInstance] {
            ids.map { PurgedInstance(id: InstanceID($0), position: LogPosition(9), endedAt: nil) }
        }
        try await fixture.flush([whole("a"), whole("b"), whole("c"), whole("d", .failed), whole("open", .running)])
        try await fixture.flush { flush in
            flush.purged = purged(["a", "nobody"])
            flush.expired = [InstanceID("d")]
            flush.expiredBefore = SampleRecords.time(50)
        }
        try StorageCheck.equal(try fixture.list(), ["b", "c", "open"], "what is left")
        try StorageCheck.equal(try fixture.store.instance(InstanceID("a")), nil, "a purged instance")
        let history = try fixture.store.history(of: InstanceID("a"), from: 0, byteLimit: 1000)
        try StorageCheck.equal(history, [], "its history")
        try StorageCheck.equal(try fixture.counts(), [.completed: 2, .running: 1], "counts")
        try StorageCheck.equal(try fixture.list(ListFilter(tags: [.init(key: "id", value: "a")])), [], "its tag")
        try StorageCheck.equal(try fixture.list(ListFilter(parent: InstanceID("p"))), ["b", "c", "open"], "its parent")
        let expired = try fixture.store.expired(before: .distantFuture, limit: 9).map(\.id.value)
        try StorageCheck.equal(expired, ["b", "c"], "what may expire")
        try StorageCheck.equal(
            try fixture.store.recover().state.expiredBefore, SampleRecords.time(50), "before when all has expired")
        // The ID may be used again, also at once.
        try await fixture.flush([whole("b", events: 2, .running, created: 7), whole("a", events: 5)]) { flush in
            flush.purged = purged(["b"])
        }
        let again = SampleRecords.instance(
            "b", status: .running, created: 7, historyCount: 2, tags: ["id": "b"], parent: "p")
        try StorageCheck.equal(try fixture.store.instance(InstanceID("b")), again, "one that uses the ID again")
        let events = try fixture.store.history(of: InstanceID("b"), from: 0, byteLimit: 1000)
        try StorageCheck.equal(events, SampleRecords.history(of: InstanceID("b"), 0..<2), "its history")
        try StorageCheck.equal(try fixture.counts(), [.completed: 2, .running: 2], "counts after that")
        try StorageCheck.equal(try fixture.list(), ["a", "c", "open", "b"], "instances after that")
    }
}
