import DurableBackend
import DurableCore
import DurableWire

/// Reads what a copy lacks of its partition's archive, one chunk at a time. One task at a time uses it.
final class ArchiveReader: @unchecked Sendable {  // see above
    private let copy: any PartitionCopy
    private let transport: any MessageTransport
    private let clock: any EngineClock
    /// Any generation of the partition's log.
    private let log: LogGeneration
    private var cursor: (stream: String, reader: LogCursor)?

    init(_ copy: any PartitionCopy, _ transport: any MessageTransport, _ clock: any EngineClock, _ log: LogGeneration) {
        self.copy = copy
        self.transport = transport
        self.clock = clock
        self.log = log
    }

    /// Puts everything that is missing into the copy.
    ///
    /// - Parameter isolation: Whose the copy is.
    func readAll(isolation: isolated (any Actor)? = #isolation) async throws(LogError) {
        var missing: MissingArchive?
        do throws(StoreError) { missing = try copy.missingArchive() } catch { throw LogError(error) }
        while let now = missing { missing = try await readChunk(of: now) }
    }

    /// Puts the next chunk into the copy, and lets others of the same thread run.
    ///
    /// - Returns: What is missing then; nil: nothing.
    func readChunk(of missing: MissingArchive) async throws(LogError) -> MissingArchive? {
        guard let segment = missing.segments.first else { return nil }
        let chunk: SnapshotChunk
        do throws(LogError) {
            chunk = try await self.chunk(missing.chunks + 1, of: segment)
        } catch {
            cursor = nil
            throw error
        }
        // Whoever gave up may have emptied the copy.
        if Task.isCancelled { throw .unavailable("reading \(segment.stream) was called off") }
        let rest = missing.afterChunk(partial: chunk.continues ? chunk.instances.last?.state.id : nil)
        do throws(StoreError) {
            try copy.addArchived(chunk.instances, of: segment, missing: rest)
        } catch {
            throw LogError(error)
        }
        if rest?.segments.first != segment { cursor = nil }
        // Messages that are here already are read without a wait.
        await giveWay()
        return rest
    }

    private func chunk(_ number: UInt64, of segment: ArchiveSegment) async throws(LogError) -> SnapshotChunk {
        let reader: LogCursor
        if let cursor, cursor.stream == segment.stream {
            reader = cursor.reader
        } else {
            let source = LogCursor.Source(
                transport: transport, generation: segment.generation(of: log), clock: clock)
            reader = LogCursor(source, from: nil)
            cursor = (segment.stream, reader)
        }
        do throws(LogCursor.Failure) {
            while true {
                guard case .chunk(let unit) = try await reader.next().judgement, unit.index == number else { continue }
                do throws(WireError) {
                    return try SnapshotChunk(wire: unit.content, isForTables: true)
                } catch {
                    throw .log(.damaged("chunk \(number) of \(segment.stream) cannot be decoded: \(error)"))
                }
            }
        } catch {
            switch error {
            case .log(let error): throw error
            case .misplaced(let text): throw .damaged("\(segment.stream): \(text)")
            }
        }
    }
}
