package import DurableBackend
package import DurableCore
internal import DurableWire

/// The tables of one partition in memory.
package final class MemoryStore: PartitionCopy {
    private let opening: MemoryOpening
    /// Follows a log that is elsewhere.
    private let isCopy: Bool

    init(_ opening: MemoryOpening, isCopy: Bool = false) {
        self.opening = opening
        self.isCopy = isCopy
    }

    package func recover() throws(StoreError) -> StoreRecovery {
        try opening.access(.recover) { contents throws(StoreError) in
            var state = contents.state
            for (id, bytes) in contents.outbox {
                state.outbox[id] = try Self.decoded("outbox entry \(id)") { () throws(WireError) in
                    try OutboxEntry(wire: bytes)
                }
            }
            return StoreRecovery(
                position: LogPosition(contents.position), incarnation: contents.incarnation, state: state)
        }
    }

    package func instance(_ id: InstanceID) throws(StoreError) -> InstanceState? {
        try opening.access(.look) { contents throws(StoreError) in
            guard let row = contents.instances[InstanceKey(id)] else { return nil }
            return try Self.state(row)
        }
    }

    package func history(
        of id: InstanceID, from first: Int, byteLimit: Int
    ) throws(StoreError) -> [HistoryEvent] {
        precondition(first >= 0, "the first event of a history has index 0")
        return try opening.access(.look) { contents throws(StoreError) in
            var events: [HistoryEvent] = []
            var byteCount = 0
            for chunk in contents.instances[InstanceKey(id)]?.chunks ?? [] {
                if chunk.firstIndex + chunk.count <= first { continue }
                if !events.isEmpty && byteCount >= byteLimit { break }
                events += chunk.events.dropFirst(max(0, first - chunk.firstIndex))
                byteCount += chunk.byteCount
            }
            return events
        }
    }

    package func due(
        after: DueInstance?, through: Timestamp, limit: Int
    ) throws(StoreError) -> [DueInstance] {
        try rows { row in row.nextDue.map { $0 <= through } ?? false }
            .map { (due: $0.nextDue ?? .distantFuture, row: $0) }
            .filter { entry in after.map { ($0.due, InstanceKey($0.id)) < (entry.due, entry.row.key) } ?? true }
            .sorted { ($0.due, $0.row.key) < ($1.due, $1.row.key) }
            .prefix(limit)
            .map { DueInstance(due: $0.due, id: $0.row.key.id) }
    }

    package func held(after: InstanceID?, limit: Int) throws(StoreError) -> [InstanceID] {
        try rows { row in row.isHeld && (after.map { InstanceKey($0) < row.key } ?? true) }
            .sorted { $0.key < $1.key }
            .prefix(limit)
            .map(\.key.id)
    }

    package func list(
        _ filter: ListFilter, after: ListCursor?, limit: Int
    ) throws(StoreError) -> [InstanceState] {
        let cursor = after.map { ($0.createdAt, InstanceKey($0.id)) }
        let page = try rows { row in row.fits(filter) && (cursor.map { $0 < (row.createdAt, row.key) } ?? true) }
            .sorted { ($0.createdAt, $0.key) < ($1.createdAt, $1.key) }
            .prefix(limit)
        return try page.map { row throws(StoreError) in try Self.state(row) }
    }

    package func sent(after: SentPlace?, byteLimit: Int) throws(StoreError) -> [SentMessage] {
        try opening.access(.look) { contents throws(StoreError) in
            var (page, bytes) = ([SentMessage](), 0)
            for (place, entry) in contents.sent.sorted(by: { $0.key < $1.key }) {
                if let after, place <= after { continue }
                if !page.isEmpty, bytes >= byteLimit { break }
                page.append(
                    SentMessage(
                        place: place,
                        entry: try Self.decoded("sent message") { () throws(WireError) in
                            try OutboxEntry(wire: entry)
                        }))
                bytes += entry.count
            }
            return page
        }
    }

    package func counts() throws(StoreError) -> [QueryAnswer.StatusCount] {
        try counts(ListFilter())
    }

    package func counts(_ filter: ListFilter) throws(StoreError) -> [QueryAnswer.StatusCount] {
        let rows = try rows { $0.fits(filter) }
        return OrchestrationStatus.allCases.sorted { $0.rawValue < $1.rawValue }.compactMap { status in
            let count = rows.count { $0.status == status }
            return count == 0 ? nil : QueryAnswer.StatusCount(status: status, count: count)
        }
    }

    package func expired(before time: Timestamp, limit: Int) throws(StoreError) -> [ExpiredInstance] {
        try rows { row in row.end.map { $0 < time } ?? false }
            .map { (end: $0.end ?? .distantFuture, key: $0.key) }
            .sorted { $0 < $1 }
            .prefix(limit)
            .map { ExpiredInstance(end: $0.end, id: $0.key.id) }
    }

    package func flush(_ flush: StoreFlush) throws(StoreError) {
        try opening.access(.flush(flush.position)) { contents throws(StoreError) in
            if !isCopy, flush.epoch != contents.newest { throw .fenced(newest: contents.newest) }
            guard flush.previous.value == contents.position else {
                throw .outOfStep(actual: LogPosition(contents.position))
            }
            let end = isCopy ? .max : contents.end
            guard (contents.position...end).contains(flush.position.value) else {
                throw .damaged("a flush through \(flush.position) does not fit a log that ends at \(end)")
            }
            // Everything that can be refused comes before the first change.
            let gone = Set((flush.purged.map(\.id) + flush.expired).map { InstanceKey($0) })  // look-up only
            var rows: [PartitionContents.InstanceRow] = []
            for instance in flush.instances {
                let key = InstanceKey(instance.state.id)
                let endedAt = flush.endedAt ?? flush.position
                let old = gone.contains(key) ? nil : contents.instances[key]
                rows.append(try .init(instance, over: old, endedAt: endedAt))
            }
            for var purged in flush.purged {
                let row = contents.instances.removeValue(forKey: InstanceKey(purged.id))
                if let row, row.isEndExact { purged.endedAt = purged.endedAt ?? row.endedAt.map { LogPosition($0) } }
                if isCopy { contents.remember(purged) }
            }
            for id in flush.expired { contents.instances[InstanceKey(id)] = nil }
            if isCopy { for purged in flush.purgedBefore { contents.remember(purged) } }
            for row in rows { contents.instances[row.key] = row }
            for entry in flush.outboxAdded { contents.outbox[entry.id] = entry.wireBytes }
            for id in flush.outboxRemoved { contents.outbox[id] = nil }
            for message in flush.sent {
                contents.outbox[message.entry.id] = nil
                contents.sent[message.place] = message.entry.wireBytes
            }
            contents.sent = contents.sent.filter { place, _ in place.sequence > flush.delivered[place.destination] ?? 0
            }
            contents.state = flush.state
            contents.position = flush.position.value
            contents.bookmark = flush.bookmark
            if isCopy { return }
            contents.log.removeFirst(Int(flush.position.value - contents.trimmed))
            contents.trimmed = flush.position.value
        }
    }

    package func close() { opening.close() }

    // MARK: - Copies

    package func bookmark() throws(StoreError) -> LogBookmark? {
        try opening.access(.look) { contents in contents.bookmark }
    }

    package func frozen() throws(StoreError) -> any PartitionCopy {
        let disk = MemoryDisk(faults: .none)
        try opening.access(.look) { contents in
            disk.access { $0.put(contents.copy(), as: opening.partition) }
        }
        return MemoryStore(MemoryOpening(disk: disk, partition: opening.partition), isCopy: true)
    }

    package func reset() throws(StoreError) {
        try opening.accessDisk(.flush(LogPosition(0))) { disk in disk.resetCopy(of: opening.partition) }
    }

    package func ended(after: EndedInstance, limit: Int) throws(StoreError) -> [EndedInstance] {
        let start = (after.position.value, InstanceKey(after.id))
        return try rows { row in row.endedAt.map { start < ($0, row.key) } ?? false }
            .map { (position: $0.endedAt ?? 0, key: $0.key) }
            .sorted { $0 < $1 }
            .prefix(limit)
            .map { EndedInstance(position: LogPosition($0.position), id: $0.key.id) }
    }

    package func missingArchive() throws(StoreError) -> MissingArchive? {
        try opening.access(.look) { contents in contents.missing }
    }

    package func setMissingArchive(_ missing: MissingArchive?) throws(StoreError) {
        try opening.access(.flush(LogPosition(0))) { contents in contents.missing = missing }
    }

    package func purged(after: InstanceID?, limit: Int) throws(StoreError) -> [PurgedInstance] {
        try opening.access(.look) { contents in
            contents.purged.sorted { $0.key < $1.key }
                .filter { entry in after.map { InstanceKey($0) < entry.key } ?? true }
                .prefix(limit)
                .map(\.value)
        }
    }

    package func forgetPurged(notIn archive: [ArchiveSegment]) throws(StoreError) {
        try opening.access(.flush(LogPosition(0))) { contents in
            contents.purged = contents.purged.filter { archive.contains(where: $0.value.mayBeIn) }
        }
    }

    package func addArchived(
        _ instances: [StoreFlush.InstanceFlush], of segment: ArchiveSegment, missing: MissingArchive?
    ) throws(StoreError) {
        try opening.access(.flush(segment.through)) { contents throws(StoreError) in
            for var instance in instances {
                if segment.expires(instance.state.lastUpdatedAt, before: contents.state.expiredBefore) { continue }
                let purged = contents.purged[InstanceKey(instance.state.id)]
                if let purged, purged.isNews(to: segment) { continue }
                instance.endedAt = segment.through
                let old = contents.instances[InstanceKey(instance.state.id)]
                if let old {
                    guard old.endedAt == segment.through.value, instance.firstIndex > 0,
                        old.historyCount == instance.firstIndex
                    else { continue }
                }
                let row = try PartitionContents.InstanceRow(instance, over: old, endedAt: segment.through)
                contents.instances[row.key] = row
            }
            contents.missing = missing
        }
    }

    // MARK: - Rows

    private func rows(
        where isWanted: (PartitionContents.InstanceRow) -> Bool
    ) throws(StoreError) -> [PartitionContents.InstanceRow] {
        try opening.access(.look) { contents in contents.instances.values.filter(isWanted) }
    }

    private static func state(_ row: PartitionContents.InstanceRow) throws(StoreError) -> InstanceState {
        try decoded("instance \(row.key.id)") { () throws(WireError) in try InstanceState(wire: row.state) }
    }

    private static func decoded<Value>(
        _ what: String, _ decode: () throws(WireError) -> Value
    ) throws(StoreError) -> Value {
        do { return try decode() } catch { throw .damaged("\(what): \(error)") }
    }
}

extension PartitionContents.InstanceRow {
    /// Events in a chunk, so that a page of history need not hold much more than asked.
    private static let chunkLength = 64

    fileprivate init(
        _ flush: StoreFlush.InstanceFlush, over old: Self?, endedAt: LogPosition
    ) throws(StoreError) {
        let state = flush.state
        let events: [HistoryEvent]
        do throws(WireError) {
            events = try flush.events
        } catch {
            throw .damaged("history of \(state.id): \(error)")
        }
        var chunks = old?.chunks ?? []
        var held = old?.historyCount ?? 0
        // A new execution begins at 0 again: what the old one did is over.
        if flush.firstIndex == 0 && !events.isEmpty || state.historyCount == 0 { (chunks, held) = ([], 0) }
        guard events.isEmpty || flush.firstIndex == held, held + events.count == state.historyCount else {
            throw .damaged(
                "instance \(state.id) has \(held) events here; \(events.count) from index \(flush.firstIndex) "
                    + "do not make \(state.historyCount)")
        }
        for start in stride(from: 0, to: events.count, by: Self.chunkLength) {
            let part = Array(events[start..<min(start + Self.chunkLength, events.count)])
            let bytes = HistoryCodec.encode(part)
            do {
                chunks.append(
                    .init(
                        firstIndex: held + start, count: part.count, byteCount: bytes.count,
                        events: try HistoryCodec.decode(bytes)))
            } catch {
                throw .damaged("history of \(state.id): \(error)")
            }
        }
        // An entity that was empty, was used, and is empty again has another end.
        let oldEnd = state.entity == nil ? old?.endedAt : nil
        self.init(
            key: InstanceKey(state.id), state: state.wireBytes, status: state.status, name: Array(state.name.utf8),
            createdAt: state.createdAt, nextDue: state.nextDue, isHeld: state.hold != nil,
            historyCount: state.historyCount,
            // It may have gone on after an end that is known here, and have ended again.
            endedAt: state.status.isTerminal ? flush.endedAt?.value ?? oldEnd ?? endedAt.value : nil,
            isEndExact: state.status.isTerminal
                && (flush.endedAt != nil || oldEnd != nil && old?.isEndExact == true),
            end: state.status.isTerminal ? state.lastUpdatedAt : nil, tags: state.tags,
            parent: state.parent.map { InstanceKey($0.instanceID) }, chunks: chunks)
    }

    fileprivate func fits(_ filter: ListFilter) -> Bool {
        (filter.statuses.isEmpty || filter.statuses.contains(status))
            && (filter.name.map { Array($0.utf8) == name } ?? true)
            && (filter.idPrefix.map { key.bytes.starts(with: $0.utf8) } ?? true)
            && (filter.createdFrom.map { $0 <= createdAt } ?? true)
            && (filter.createdTo.map { createdAt < $0 } ?? true)
            && (filter.parent.map { InstanceKey($0) == parent } ?? true)
            && filter.tags.allSatisfy { $0.fits(tags) }
    }
}

extension StoreFlush.InstanceFlush {
    fileprivate var events: [HistoryEvent] {
        get throws(WireError) {
            guard let encoded, !encoded.history.isEmpty else { return newHistory }
            return try HistoryCodec.decode(encoded.history)
        }
    }
}

extension PartitionContents {
    /// One that was purged before under the same ID may be in two streams: where is not known then.
    fileprivate func remember(_ instance: PurgedInstance) {
        var instance = instance
        if let known = purged[InstanceKey(instance.id)] {
            instance.position = max(instance.position, known.position)
            instance.endedAt = nil
        }
        purged[InstanceKey(instance.id)] = instance
    }
}

extension InstanceKey {
    fileprivate var id: InstanceID { InstanceID(String(decoding: bytes, as: UTF8.self)) }
}
