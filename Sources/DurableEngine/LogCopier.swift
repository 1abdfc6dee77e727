package import DurableBackend
package import DurableCore
import DurableWire

/// Reads one partition's log and its archive into a copy, for a tool that owns nothing: from its beginning to where it
/// ends at the time, or a little further.
package final class LogCopier {
    package struct Parts: Sendable {
        package var descriptor: HubDescriptor
        package var partition: PartitionID
        package var transport: any MessageTransport
        package var journal: HubJournal
        package var copies: any PartitionCopies
        package var clock: any EngineClock
        /// Gives texts nobody else makes.
        package var makeNonce: @Sendable () -> String

        package init(
            descriptor: HubDescriptor, partition: PartitionID, transport: any MessageTransport, journal: HubJournal,
            copies: any PartitionCopies, clock: any EngineClock, makeNonce: @escaping @Sendable () -> String
        ) {
            self.descriptor = descriptor
            self.partition = partition
            self.transport = transport
            self.journal = journal
            self.copies = copies
            self.clock = clock
            self.makeNonce = makeNonce
        }
    }

    private let parts: Parts
    /// nil: nothing was read yet.
    private var reading: Reading?

    private struct Reading {
        var generation: LogGeneration
        var cursor: LogCursor
        var restorer: SnapshotRestorer
    }

    /// Times the log may go on in another stream while it is read.
    private static var moveLimit: Int { 5 }
    /// Unwritten changes at which the copy is filled.
    private static var flushBytes: Int { 1 << 20 }

    package init(_ parts: Parts) { self.parts = parts }

    /// - Parameter isEnough: Asked after every append; nil: reads to where the log ends now.
    /// - Returns: What the copy holds then, closed; `state.outbox` is in it.
    package func advance(
        until isEnough: ((PartitionState) -> Bool)? = nil
    ) async throws(LogError) -> StoreRecovery {
        let copy: any PartitionCopy
        do throws(StoreError) { copy = try parts.copies.open(parts.partition) } catch { throw LogError(error) }
        defer {
            reading?.cursor.close()
            copy.close()
        }
        var moves = 0
        while true {
            let reading = try await locate(copy)
            do throws(LogCursor.Failure) {
                return try await read(reading, copy, isEnough)
            } catch {
                let cause: LogError =
                    switch error {
                    case .log(let error): error
                    case .misplaced(let text): .damaged(text)
                    }
                moves += 1
                // Its owner compacts it: it goes on in another stream, and so may what has ended.
                let now = try await current().generation
                if moves > Self.moveLimit || now == reading.generation { throw cause }
            }
        }
    }

    /// Opens the copy as it was left.
    package func open() throws(StoreError) -> any PartitionStore { try parts.copies.open(parts.partition) }

    private func current() async throws(LogError) -> (generation: LogGeneration, archive: [ArchiveSegment]) {
        do throws(EpochError) {
            let known = try await parts.journal.state(of: parts.partition, since: nil).announcement
            return (
                known?.generation ?? LogGeneration.first(of: parts.descriptor, parts.partition), known?.archive ?? []
            )
        } catch {
            switch error {
            case .unavailable(let text): throw .unavailable(text)
            }
        }
    }

    private func locate(_ copy: any PartitionCopy) async throws(LogError) -> Reading {
        let (generation, archive) = try await current()
        if let reading, reading.generation == generation { return reading }
        reading?.cursor.close()
        do throws(StoreError) { try copy.reset() } catch { throw LogError(error) }
        let source = LogCursor.Source(transport: parts.transport, generation: generation, clock: parts.clock)
        let found = Reading(
            generation: generation, cursor: LogCursor(source, from: nil),
            restorer: SnapshotRestorer(copy, base: generation.base, archive: archive))
        reading = found
        return found
    }

    private func read(
        _ reading: Reading, _ copy: any PartitionCopy, _ isEnough: ((PartitionState) -> Bool)?
    ) async throws(LogCursor.Failure) -> StoreRecovery {
        let (generation, cursor, restorer) = (reading.generation, reading.cursor, reading.restorer)
        var mark: LogMessage?
        if isEnough == nil {
            let message = LogMessage.mark(parts.makeNonce())
            try await publish(message, generation.stream)
            mark = message
        }
        var fold = try Self.store { () throws(StoreError) in
            try CopyFold(copy, partitionCount: parts.descriptor.partitionCount)
        }
        while !(isEnough?(fold.state) ?? false) {
            let step = try await cursor.next()
            switch step.judgement {
            case .unit(let unit):
                try take(unit, into: &fold, through: cursor.fold.position, generation)
                if fold.bytes >= Self.flushBytes { try Self.store { () throws(StoreError) in try fold.flush(nil) } }
            case .chunk(let chunk):
                do throws(LogError) {
                    try restorer.take(.chunk(number: chunk.index, content: chunk.content))
                } catch {
                    throw .log(error)
                }
            case .snapshotComplete:
                guard let end = cursor.fold.bookmark(at: step.offset) else { continue }
                do throws(LogError) { try restorer.take(.end(end)) } catch { throw .log(error) }
                fold = try Self.store { () throws(StoreError) in
                    try CopyFold(copy, partitionCount: parts.descriptor.partitionCount)
                }
            default: if mark != nil, step.message == mark { mark = nil }
            }
            if isEnough == nil, mark == nil { break }
        }
        try Self.store { () throws(StoreError) in try fold.flush(nil) }
        do throws(LogError) {
            try await ArchiveReader(copy, parts.transport, parts.clock, generation).readAll()
        } catch {
            throw .log(error)
        }
        return try Self.store { () throws(StoreError) in
            var recovery = try copy.recover()
            recovery.incarnation = generation.incarnation
            return recovery
        }
    }

    private func take(
        _ unit: LogUnit, into fold: inout CopyFold, through end: LogPosition, _ generation: LogGeneration
    ) throws(LogCursor.Failure) {
        let what = "log stream \(generation.stream): record \(end)"
        guard fold.position.value + UInt64(unit.recordCount) == end.value else {
            throw .log(.damaged("\(what) does not follow record \(fold.position)"))
        }
        do throws(WireError) {
            for record in try unit.records() {
                do throws(StoreError) { try fold.take(record) } catch { throw .undecodable("\(error)") }
            }
        } catch {
            throw .log(.damaged("\(what): \(error)"))
        }
    }

    private func publish(_ message: LogMessage, _ stream: String) async throws(LogCursor.Failure) {
        let outgoing = parts.descriptor.topology.logMessage(message, to: stream, at: parts.clock.now())
        do throws(TransportError) {
            let outcomes = try await parts.transport.publish([outgoing])
            if outcomes == [.confirmed] { return }
        } catch {
            throw .log(.unavailable("\(stream): \(error)"))
        }
        throw .log(.damaged("log stream \(stream) is not there. Nothing was changed"))
    }

    private static func store<Value>(
        _ body: () throws(StoreError) -> Value
    ) throws(LogCursor.Failure) -> Value {
        do {
            return try body()
        } catch {
            throw .log(LogError(error))
        }
    }
}
