package import DurableCore

extension Question: WireCodable {
    package init(wire bytes: [UInt8]) throws(WireError) {
        switch try PBQuery(alone: bytes).kind {
        case .status(let wire):
            self = .status(InstanceID(wire.id))
        case .history(let wire):
            guard wire.after >= -1, let after = Int(exactly: wire.after) else {
                throw .undecodable("history query after event \(wire.after)")
            }
            self = .history(
                InstanceID(wire.id), after: after, limit: try checkedCount(wire.limit, "limit of a history query"))
        case .list(let wire):
            self = .list(
                try ListFilter(wire.filter), after: wire.hasAfter ? ListCursor(wire.after) : nil,
                limit: try checkedCount(wire.limit, "limit of a list query"))
        case .wait(let wire):
            self = .wait(InstanceID(wire.id))
        case .counts:
            self = .counts
        case .redrive:
            self = .redrive
        case .release(let wire):
            self = .release(InstanceID(wire.id))
        case .heartbeat(let wire):
            self = .heartbeat(wire.tasks.map { TaskHeartbeat(task: TaskKey($0.task), details: $0.payload) })
        case .handler(let wire):
            self = .handler(
                InstanceID(wire.id), name: wire.name, input: wire.hasInput ? Payload(wire.input) : nil)
        case .update(let wire):
            self = .update(InstanceID(wire.id), UpdateID(wire.updateID))
        case .count(let wire):
            self = .count(try ListFilter(wire.filter))
        case .purge(let wire):
            guard (1...Question.purgeLimit).contains(wire.ids.count) else {
                throw .undecodable("a request to purge \(wire.ids.count) instances at once")
            }
            self = .purge(wire.ids.map { InstanceID($0) })
        case nil:
            throw .undecodable("query of a kind this version does not know")
        }
    }

    package var wireBytes: [UInt8] {
        var wire = PBQuery()
        var version: Int32 = 1
        switch self {
        case .status(let id):
            wire.status.id = id.value
        case .history(let id, let after, let limit):
            wire.history.id = id.value
            wire.history.after = Int64(after)
            wire.history.limit = Int64(limit)
        case .list(let filter, let after, let limit):
            wire.list.filter = PBListFilter(filter)
            if let after { wire.list.after = PBListCursor(after) }
            wire.list.limit = Int64(limit)
            version = filter.format
        case .wait(let id):
            wire.wait.id = id.value
        case .release(let id):
            wire.release.id = id.value
        case .handler(let id, let name, let input):
            wire.handler.id = id.value
            wire.handler.name = name
            if let input { wire.handler.input = input.data }
        case .update(let id, let updateID):
            wire.update.id = id.value
            wire.update.updateID = updateID.value
        case .redrive:
            wire.redrive = PBQuery.Redrive()
        case .heartbeat(let heartbeats):
            wire.heartbeat.tasks = heartbeats.map { PBTaskDetails($0.task, $0.details) }
        case .counts:
            wire.counts = PBQuery.Counts()
        case .count(let filter):
            wire.count.filter = PBListFilter(filter)
            version = filter.format
        case .purge(let ids):
            wire.purge.ids = ids.map(\.value)
        }
        return wire.aloneBytes(version: version)
    }
}

extension ListFilter {
    /// The oldest version of a question whose readers make no mistake about it.
    fileprivate var format: Int32 { tags.isEmpty && parent == nil ? 1 : 2 }
}

extension PBListFilter {
    init(_ filter: ListFilter) {
        self.init()
        statuses = filter.statuses.map(PBOrchestrationStatus.init)
        if let name = filter.name { self.name = name }
        if let idPrefix = filter.idPrefix { self.idPrefix = idPrefix }
        if let time = filter.createdFrom { createdFromMs = time.millisecondsSinceEpoch }
        if let time = filter.createdTo { createdToMs = time.millisecondsSinceEpoch }
        tags = filter.tags.map { tag in
            var wire = Tag()
            wire.key = tag.key
            if let value = tag.value { wire.value = value }
            return wire
        }
        if let parent = filter.parent { self.parent = parent.value }
    }
}

extension ListFilter {
    init(_ wire: PBListFilter) throws(WireError) {
        self.init(
            statuses: try wire.statuses.map(OrchestrationStatus.init),
            name: wire.hasName ? wire.name : nil,
            idPrefix: wire.hasIDPrefix ? wire.idPrefix : nil,
            createdFrom: wire.hasCreatedFromMs ? Timestamp(ms: wire.createdFromMs) : nil,
            createdTo: wire.hasCreatedToMs ? Timestamp(ms: wire.createdToMs) : nil,
            tags: wire.tags.map { TagFilter(key: $0.key, value: $0.hasValue ? $0.value : nil) },
            parent: wire.hasParent ? InstanceID(wire.parent) : nil)
    }
}

extension PBListCursor {
    init(_ cursor: ListCursor) {
        self.init()
        createdAtMs = cursor.createdAt.millisecondsSinceEpoch
        id = cursor.id.value
    }
}

extension ListCursor {
    init(_ wire: PBListCursor) { self.init(createdAt: Timestamp(ms: wire.createdAtMs), id: InstanceID(wire.id)) }
}
