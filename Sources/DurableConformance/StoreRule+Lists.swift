internal import DurableBackend
internal import DurableCore

extension StoreRule {
    static func dueInstancesAreOrderedAndPaged(_ fixture: StoreFixture) async throws {
        try await fixture.flush([
            SampleRecords.instance("d", timer: 10), SampleRecords.instance("c", timer: 20),
            SampleRecords.instance("b", timer: 20), SampleRecords.instance("a", timer: 30),
            SampleRecords.instance("e", timer: 5), SampleRecords.instance("z"),
        ])
        func due(_ after: DueInstance? = nil, through: Int64 = 1000, limit: Int = 100) throws -> [String] {
            try fixture.store.due(after: after, through: SampleRecords.time(through), limit: limit).map(\.id.value)
        }
        try StorageCheck.equal(try due(), ["e", "d", "b", "c", "a"], "all that is due")
        try StorageCheck.equal(try due(through: 20), ["e", "d", "b", "c"], "due through 20, which counts")
        try StorageCheck.equal(try due(through: 19), ["e", "d"], "due through 19")
        try StorageCheck.equal(try due(through: 4), [], "due through 4")
        try StorageCheck.equal(try due(limit: 2), ["e", "d"], "first two")
        let afterB = DueInstance(due: SampleRecords.time(20), id: InstanceID("b"))
        try StorageCheck.equal(try due(afterB), ["c", "a"], "after b")
        let all = try fixture.store.due(after: nil, through: .distantFuture, limit: 1)
        try StorageCheck.equal(all, [DueInstance(due: SampleRecords.time(5), id: InstanceID("e"))], "the first")
    }

    static func dueInstancesFollowTheirState(_ fixture: StoreFixture) async throws {
        func due() throws -> [DueInstance] {
            try fixture.store.due(after: nil, through: .distantFuture, limit: 100)
        }
        var waiting = SampleRecords.instance("a", status: .pending)
        waiting.startAt = SampleRecords.time(50)
        try await fixture.flush([waiting, SampleRecords.instance("b", timer: 10)])
        let b = DueInstance(due: SampleRecords.time(10), id: InstanceID("b"))
        try StorageCheck.equal(
            try due(), [b, DueInstance(due: SampleRecords.time(50), id: waiting.id)], "start and timer")
        try await fixture.flush([SampleRecords.instance("a", timer: 5)])
        try StorageCheck.equal(try due(), [DueInstance(due: SampleRecords.time(5), id: waiting.id), b], "moved")
        try await fixture.flush([
            SampleRecords.instance("a", status: .suspended, timer: 5),
            SampleRecords.instance("b", status: .completed, timer: 10),
        ])
        try StorageCheck.equal(try due(), [], "suspended and completed")
        try await fixture.flush([SampleRecords.instance("a", timer: 5, hold: Hold(code: "DTQ2003", text: "held"))])
        try StorageCheck.equal(try due(), [], "held")
    }

    static func heldInstancesAreOrderedAndPaged(_ fixture: StoreFixture) async throws {
        let hold = Hold(code: "DTQ2005", text: "no code")
        try await fixture.flush(["d", "b", "c", "a"].map { SampleRecords.instance($0, hold: hold) })
        try await fixture.flush([SampleRecords.instance("c"), SampleRecords.instance("e")])
        func held(_ after: String? = nil, limit: Int = 100) throws -> [String] {
            try fixture.store.held(after: after.map(InstanceID.init), limit: limit).map(\.value)
        }
        try StorageCheck.equal(try held(), ["a", "b", "d"], "held")
        try StorageCheck.equal(try held(limit: 2), ["a", "b"], "first two")
        try StorageCheck.equal(try held("b"), ["d"], "after b")
        try await fixture.flush(["a", "b", "d"].map { SampleRecords.instance($0, status: .terminated) })
        try StorageCheck.equal(try held(), [], "held after all ended")
    }

    static func listIsOrderedByCreationAndPaged(_ fixture: StoreFixture) async throws {
        let states = [
            SampleRecords.instance("c", created: 1), SampleRecords.instance("b", status: .completed, created: 2),
            SampleRecords.instance("a", status: .failed, created: 3), SampleRecords.instance("d", created: 2),
            SampleRecords.instance("e", status: .pending, created: 0),
        ]
        try await fixture.flush(states)
        try StorageCheck.equal(try fixture.list(), ["e", "c", "b", "d", "a"], "all")
        try StorageCheck.equal(try fixture.list(limit: 2), ["e", "c"], "first page")
        try StorageCheck.equal(try fixture.list(after: states[0], limit: 2), ["b", "d"], "second page")
        try StorageCheck.equal(try fixture.list(after: states[3], limit: 2), ["a"], "third page")
        try StorageCheck.equal(try fixture.list(after: states[2], limit: 2), [], "page after the end")
        let listed = try fixture.store.list(ListFilter(), after: nil, limit: 1)
        try StorageCheck.equal(listed, [states[4]], "the first state")
    }

    static func listFiltersByStatus(_ fixture: StoreFixture) async throws {
        try await fixture.flush(
            OrchestrationStatus.allCases.map { status in
                SampleRecords.instance("i-\(status.rawValue)", status: status, created: Int64(10 - status.rawValue))
            })
        for status in OrchestrationStatus.allCases {
            let ids = try fixture.list(ListFilter(statuses: [status]))
            try StorageCheck.equal(ids, ["i-\(status.rawValue)"], "status \(status)")
        }
        let several = try fixture.list(ListFilter(statuses: [.running, .failed, .pending]))
        try StorageCheck.equal(several, ["i-6", "i-3", "i-0"], "three statuses, oldest first")
        try await fixture.flush([SampleRecords.instance("i-0", status: .completed, created: 10)])
        try StorageCheck.equal(try fixture.list(ListFilter(statuses: [.running])), [], "running after it completed")
        let completed = try fixture.list(ListFilter(statuses: [.completed]))
        try StorageCheck.equal(completed, ["i-1", "i-0"], "completed after it completed")
    }

    static func listFiltersByName(_ fixture: StoreFixture) async throws {
        try await fixture.flush([
            SampleRecords.instance("a", name: "Order"), SampleRecords.instance("b", name: "order"),
            SampleRecords.instance("c", name: "Orders"), SampleRecords.instance("d", name: "Order"),
        ])
        try StorageCheck.equal(try fixture.list(ListFilter(name: "Order")), ["a", "d"], "name Order")
        try StorageCheck.equal(try fixture.list(ListFilter(name: "%")), [], "name %")
    }

    static func listFiltersByPrefix(_ fixture: StoreFixture) async throws {
        let ids = ["order-1", "order-10", "order-2", "order", "Order-1", "orde", "order_1", "order-\u{10FFFF}x", "z%"]
        try await fixture.flush(ids.enumerated().map { SampleRecords.instance($1, created: Int64($0)) })
        func list(_ prefix: String) throws -> [String] { try fixture.list(ListFilter(idPrefix: prefix)) }
        let order = ["order-1", "order-10", "order-2", "order-\u{10FFFF}x"]
        try StorageCheck.equal(try list("order-"), order, "prefix order-")
        try StorageCheck.equal(try list("order-1"), ["order-1", "order-10"], "prefix order-1")
        try StorageCheck.equal(try list("order-\u{10FFFF}"), ["order-\u{10FFFF}x"], "prefix with the last scalar")
        try StorageCheck.equal(try list("%"), [], "prefix %")
        try StorageCheck.equal(try list(""), ids, "empty prefix")
    }

    static func listFiltersByTime(_ fixture: StoreFixture) async throws {
        try await fixture.flush((0..<5).map { SampleRecords.instance("i-\($0)", created: $0) })
        func list(_ from: Int64?, _ to: Int64?) throws -> [String] {
            try fixture.list(
                ListFilter(createdFrom: from.map(SampleRecords.time), createdTo: to.map(SampleRecords.time)))
        }
        try StorageCheck.equal(try list(1, 3), ["i-1", "i-2"], "created from 1, before 3")
        try StorageCheck.equal(try list(3, nil), ["i-3", "i-4"], "created from 3")
        try StorageCheck.equal(try list(nil, 1), ["i-0"], "created before 1")
    }

    static func listFiltersTogetherAndPaged(_ fixture: StoreFixture) async throws {
        let states = (0..<40).map { number in
            SampleRecords.instance(
                number.isMultiple(of: 2) ? "even-\(number)" : "odd-\(number)",
                status: OrchestrationStatus.allCases[number % 4], name: number < 30 ? "Early" : "Late",
                created: Int64(number))
        }
        try await fixture.flush(states)
        let filter = ListFilter(
            statuses: [.running, .continuedAsNew], name: "Early", createdFrom: SampleRecords.time(8),
            createdTo: SampleRecords.time(36))
        for prefix in [nil, "even-"] {
            var filter = filter
            filter.idPrefix = prefix
            let expected = states.filter { state in
                filter.statuses.contains(state.status) && state.name == "Early"
                    && state.createdAt >= SampleRecords.time(8) && state.id.value.hasPrefix(prefix ?? "")
            }.map(\.id.value)
            var listed: [String] = []
            var last: InstanceState?
            while true {
                let page = try fixture.list(filter, after: last, limit: 3)
                try StorageCheck.that(page.count <= 3, "a page of 3 has \(page.count)")
                listed += page
                guard let id = page.last else { break }
                last = try fixture.store.instance(InstanceID(id))
            }
            try StorageCheck.equal(listed, expected, "pages with prefix \(prefix ?? "none")")
            try StorageCheck.that(!expected.isEmpty, "the rule itself is wrong: nothing fits")
        }
    }

    static func countsFollowEveryFlush(_ fixture: StoreFixture) async throws {
        try await fixture.flush([
            SampleRecords.instance("a"), SampleRecords.instance("b"), SampleRecords.instance("c", status: .pending),
        ])
        try StorageCheck.equal(try fixture.counts(), [.running: 2, .pending: 1], "counts")
        try await fixture.flush([
            SampleRecords.instance("a", status: .completed), SampleRecords.instance("b"),
            SampleRecords.instance("c"), SampleRecords.instance("d", status: .failed),
        ])
        let expected: [QueryAnswer.StatusCount] = [
            .init(status: .running, count: 2), .init(status: .completed, count: 1), .init(status: .failed, count: 1),
        ]
        try StorageCheck.equal(try fixture.store.counts(), expected, "counts in order, empty ones left out")
    }
}
