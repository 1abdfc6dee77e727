package import DurableBackend
internal import DurableCore

/// What a `PartitionLog` must obey.
package enum LogRule: String, CaseIterable, Sendable {
    case positionsAreContiguousFromOne
    case positionsGoOnAfterReopening
    case positionsGoOnAfterEverythingWasTrimmed
    case refusedAppendLeavesNothing
    case epochBeginsOnce
    case lowerEpochCannotBegin
    case lowerEpochCannotAppend
    case lowerEpochCannotAppendThroughAnotherOpening
    case epochThatDidNotBeginCannotAppend
    case higherGenerationIsNewerWhateverTheOffset
    case recordsComeBackAsAppended
    case readStartsAfterItsPositionAndStopsAtItsLimit
    case readIsEmptyAtTheEnd
    case otherOpeningSeesWhatWasAppended
    case largestAppendIsTaken
    case onlyFlushedRecordsAreTrimmed
    case trimmedRecordsAreNeverSkipped
    case partitionsAreIndependent

    /// - Parameter makeStorage: Makes new, empty storage with at least two partitions. Openings of a partition of the
    ///   same storage share its contents.
    /// - Throws: `StorageRuleViolation`, or what the adapter threw where it must not.
    package func verify(_ makeStorage: () async throws -> any PartitionStorage) async throws {
        let storage = try await makeStorage()
        let opened = try storage.open(PartitionID(0))
        defer { opened.store.close() }
        try await verify(opened.log, opened.store, storage)
    }

    private func verify(
        _ log: any PartitionLog, _ store: any PartitionStore, _ storage: any PartitionStorage
    ) async throws {
        let (first, second) = (SampleRecords.epoch(5), SampleRecords.epoch(9))
        switch self {
        case .positionsAreContiguousFromOne:
            try StorageCheck.equal(try await log.begin(SampleRecords.begin(first)), LogPosition(1), "first begin")
            let one = try await log.append(SampleRecords.records(1), epoch: first)
            try StorageCheck.equal(one, LogPosition(2), "one record after it")
            let three = try await log.append(SampleRecords.records(3), epoch: first)
            try StorageCheck.equal(three, LogPosition(5), "three records after it")
            try StorageCheck.equal(try await log.begin(SampleRecords.begin(second)), LogPosition(6), "next begin")
            let positions = try await log.read(after: LogPosition(0), limit: 100).map(\.position.value)
            try StorageCheck.equal(positions, Array(1...6), "positions read")

        case .positionsGoOnAfterReopening:
            _ = try await log.begin(SampleRecords.begin(first))
            _ = try await log.append(SampleRecords.records(4), epoch: first)
            store.close()
            let again = try storage.open(PartitionID(0))
            defer { again.store.close() }
            let position = try await again.log.append(SampleRecords.records(1), epoch: first)
            try StorageCheck.equal(position, LogPosition(6), "append after reopening")

        case .positionsGoOnAfterEverythingWasTrimmed:
            _ = try await log.begin(SampleRecords.begin(first))
            let end = try await log.append(SampleRecords.records(4), epoch: first)
            try store.flush(StoreFlush(previous: LogPosition(0), position: end, epoch: first))
            let rest = try await log.read(after: end, limit: 10)
            try StorageCheck.equal(rest, [], "log after its end")
            store.close()
            let again = try storage.open(PartitionID(0))
            defer { again.store.close() }
            let position = try await again.log.append(SampleRecords.records(1), epoch: first)
            try StorageCheck.equal(position, LogPosition(6), "append after trimming and reopening")

        case .refusedAppendLeavesNothing:
            _ = try await log.begin(SampleRecords.begin(first))
            _ = try await log.begin(SampleRecords.begin(second))
            try await StorageCheck.throwing("append of an old epoch", LogError.fenced(newest: second)) {
                _ = try await log.append(SampleRecords.records(100), epoch: first)
            }
            let entries = try await log.read(after: LogPosition(0), limit: 1000)
            try StorageCheck.equal(entries.count, 2, "records after a refused append of 100")
            let position = try await log.append(SampleRecords.records(1), epoch: second)
            try StorageCheck.equal(position, LogPosition(3), "append after a refused one")

        case .epochBeginsOnce:
            _ = try await log.begin(SampleRecords.begin(first))
            try await StorageCheck.throwing("second begin of an epoch", LogError.fenced(newest: first)) {
                _ = try await log.begin(SampleRecords.begin(first))
            }
            let entries = try await log.read(after: LogPosition(0), limit: 10)
            try StorageCheck.equal(entries.count, 1, "records after a refused begin")

        case .lowerEpochCannotBegin:
            _ = try await log.begin(SampleRecords.begin(second))
            try await StorageCheck.throwing("begin of a lower epoch", LogError.fenced(newest: second)) {
                _ = try await log.begin(SampleRecords.begin(first))
            }

        case .lowerEpochCannotAppend:
            _ = try await log.begin(SampleRecords.begin(first))
            _ = try await log.append(SampleRecords.records(1), epoch: first)
            _ = try await log.begin(SampleRecords.begin(second))
            try await StorageCheck.throwing("append of a lower epoch", LogError.fenced(newest: second)) {
                _ = try await log.append(SampleRecords.records(1), epoch: first)
            }

        case .lowerEpochCannotAppendThroughAnotherOpening:
            let other = try storage.open(PartitionID(0))
            defer { other.store.close() }
            _ = try await log.begin(SampleRecords.begin(first))
            _ = try await log.append(SampleRecords.records(2), epoch: first)
            _ = try await other.log.begin(SampleRecords.begin(second))
            for _ in 0..<3 {
                try await StorageCheck.throwing("append of a paused owner", LogError.fenced(newest: second)) {
                    _ = try await log.append(SampleRecords.records(2), epoch: first)
                }
                _ = try await other.log.append(SampleRecords.records(1), epoch: second)
            }
            let epochs = try await log.read(after: LogPosition(0), limit: 100).map(\.epoch)
            try StorageCheck.equal(
                epochs, [first, first, first, second, second, second, second], "epochs of the records")

        case .epochThatDidNotBeginCannotAppend:
            try await StorageCheck.throwing("append before any begin", LogError.fenced(newest: .zero)) {
                _ = try await log.append(SampleRecords.records(1), epoch: first)
            }
            _ = try await log.begin(SampleRecords.begin(first))
            try await StorageCheck.throwing("append of an epoch to come", LogError.fenced(newest: first)) {
                _ = try await log.append(SampleRecords.records(1), epoch: second)
            }

        case .higherGenerationIsNewerWhateverTheOffset:
            let next = SampleRecords.epoch(0, generation: 2)
            _ = try await log.begin(SampleRecords.begin(second))
            _ = try await log.begin(SampleRecords.begin(next))
            try await StorageCheck.throwing("append of an earlier generation", LogError.fenced(newest: next)) {
                _ = try await log.append(SampleRecords.records(1), epoch: second)
            }

        case .recordsComeBackAsAppended:
            _ = try await log.begin(SampleRecords.begin(first))
            let records = SampleRecords.records(8)
            _ = try await log.append(records, epoch: first)
            let entries = try await log.read(after: LogPosition(0), limit: 100)
            let all = [.begin(SampleRecords.begin(first))] + records
            let expected = all.enumerated().map { index, record in
                LogEntry(position: LogPosition(UInt64(index + 1)), epoch: first, record: record)
            }
            try StorageCheck.equal(entries, expected, "entries")

        case .readStartsAfterItsPositionAndStopsAtItsLimit:
            _ = try await log.begin(SampleRecords.begin(first))
            _ = try await log.append(SampleRecords.records(9), epoch: first)
            let page = try await log.read(after: LogPosition(4), limit: 3).map(\.position.value)
            try StorageCheck.equal(page, [5, 6, 7], "three records after position 4")
            let rest = try await log.read(after: LogPosition(8), limit: 3).map(\.position.value)
            try StorageCheck.equal(rest, [9, 10], "up to three records after position 8")

        case .readIsEmptyAtTheEnd:
            let nothing = try await log.read(after: LogPosition(0), limit: 10)
            try StorageCheck.equal(nothing, [], "records of a new log")
            let end = try await log.begin(SampleRecords.begin(first))
            let after = try await log.read(after: end, limit: 10)
            try StorageCheck.equal(after, [], "records after the end")

        case .otherOpeningSeesWhatWasAppended:
            let other = try storage.open(PartitionID(0))
            defer { other.store.close() }
            _ = try await log.begin(SampleRecords.begin(first))
            _ = try await log.append(SampleRecords.records(5), epoch: first)
            let seen = try await other.log.read(after: LogPosition(0), limit: 100)
            let own = try await log.read(after: LogPosition(0), limit: 100)
            try StorageCheck.equal(seen, own, "records read through another opening")

        case .largestAppendIsTaken:
            _ = try await log.begin(SampleRecords.begin(first))
            let end = try await log.append(SampleRecords.records(512), epoch: first)
            try StorageCheck.equal(end, LogPosition(513), "append of 512 records")
            let big = PartitionRecord.checkpoint(SampleRecords.checkpoint(3, payloadBytes: 1 << 20))
            let last = try await log.append([big], epoch: first)
            let read = try await log.read(after: end, limit: 1)
            try StorageCheck.equal(read.map(\.position), [last], "position of a record of more than 2 MiB")
            try StorageCheck.that(read.first?.record == big, "a record of more than 2 MiB came back changed")

        case .onlyFlushedRecordsAreTrimmed:
            _ = try await log.begin(SampleRecords.begin(first))
            _ = try await log.append(SampleRecords.records(9), epoch: first)
            try store.flush(StoreFlush(previous: LogPosition(0), position: LogPosition(4), epoch: first))
            let rest = try await log.read(after: LogPosition(4), limit: 100).map(\.position.value)
            try StorageCheck.equal(rest, Array(5...10), "records after a flush through position 4")

        case .trimmedRecordsAreNeverSkipped:
            _ = try await log.begin(SampleRecords.begin(first))
            _ = try await log.append(SampleRecords.records(9), epoch: first)
            try store.flush(StoreFlush(previous: LogPosition(0), position: LogPosition(4), epoch: first))
            for position: UInt64 in [0, 3] {
                do {
                    let positions = try await log.read(after: LogPosition(position), limit: 100).map(\.position.value)
                    try StorageCheck.equal(positions, Array(position + 1...10), "records after position \(position)")
                } catch LogError.damaged {
                    continue  // trimmed already
                }
            }

        case .partitionsAreIndependent:
            let other = try storage.open(PartitionID(1))
            defer { other.store.close() }
            _ = try await log.begin(SampleRecords.begin(second))
            let position = try await other.log.begin(SampleRecords.begin(first))
            try StorageCheck.equal(position, LogPosition(1), "begin on another partition")
            _ = try await other.log.append(SampleRecords.records(1), epoch: first)
            let entries = try await log.read(after: LogPosition(0), limit: 100)
            try StorageCheck.equal(entries.count, 1, "records of the first partition")
        }
    }
}
