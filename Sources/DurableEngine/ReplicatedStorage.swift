package import DurableBackend
package import DurableCore
import DurableWire
package import Logging

/// Partitions whose log is a stream of the broker and whose tables are a copy that this worker keeps for itself.
///
/// The copy goes on where it was. When it does not belong to the stream, it is emptied and filled again: it is never
/// served, and nothing in it can be lost.
package final class ReplicatedStorage: PartitionStorage {
    let descriptor: HubDescriptor
    let transport: any MessageTransport
    private let copies: any PartitionCopies
    let journal: HubJournal
    let clock: any EngineClock
    private let makeNonce: @Sendable () -> String
    let logger: Logger
    /// Whether the simulation asked for a mistake.
    let defect: EngineDefect?
    /// Size below which a stream of the archive is taken up by the next one.
    let archiveBytes: UInt64
    /// Newest epochs that openings here have seen. Look-up only.
    private let newest = PlatformLock<[PartitionID: Epoch]>([:])

    /// - Parameters:
    ///   - journal: The one that gives this worker its epochs.
    ///   - makeNonce: A text nobody else makes, for each opening.
    ///   - defect: A deliberate mistake, which the simulation must find.
    package init(
        descriptor: HubDescriptor, transport: any MessageTransport, copies: any PartitionCopies, journal: HubJournal,
        clock: any EngineClock, makeNonce: @escaping @Sendable () -> String, logger: Logger,
        defect: EngineDefect? = nil, archiveBytes: UInt64 = 16 << 20
    ) {
        self.descriptor = descriptor
        self.transport = transport
        self.copies = copies
        self.journal = journal
        self.clock = clock
        self.makeNonce = makeNonce
        self.logger = logger
        self.defect = defect
        self.archiveBytes = archiveBytes
    }

    package func open(_ partition: PartitionID) throws(StoreError) -> OpenPartition {
        ReplicatedPartition(self, partition, try copies.open(partition), nil).open
    }

    package func follow(
        _ partition: PartitionID, onCaughtUp: @escaping @Sendable () -> Void
    ) async -> OpenPartition? {
        var pause = Self.followPauses.lowerBound
        while !Task.isCancelled {
            let start = clock.uptime()
            do throws(LogError) {
                if let opened = try await followOnce(partition, onCaughtUp) { return opened }
            } catch {
                if Task.isCancelled { return nil }
                logger.debug("lost the log of partition \(partition)", metadata: ["cause": "\(error)"])
            }
            if Task.isCancelled { return nil }
            // One that could be followed for a while goes on in another stream, most likely.
            if clock.uptime() - start > Self.followPauses.upperBound { pause = Self.followPauses.lowerBound }
            await clock.sleep(for: pause)
            pause = min(pause * 2, Self.followPauses.upperBound)
        }
        return nil
    }

    /// How long to leave a log alone that could not be followed.
    private static var followPauses: ClosedRange<Duration> { .milliseconds(100) ... .seconds(5) }

    private func followOnce(
        _ partition: PartitionID, _ onCaughtUp: @escaping @Sendable () -> Void
    ) async throws(LogError) -> OpenPartition? {
        let copy: any PartitionCopy
        do { copy = try copies.open(partition) } catch { throw LogError(error) }
        do throws(LogError) {
            let place = try await place(of: partition, copy, since: nil)
            let source = LogCursor.Source(
                transport: transport, generation: place.generation, clock: clock, isFollowing: true)
            var follower = try LogFollower(
                copy, source, place.bookmark, partitionCount: descriptor.partitionCount, archive: place.archive)
            let mark = LogMessage.mark(makeNonce())
            try await publish(mark, to: place.generation)
            if let (cursor, bookmark) = try await follower.run(until: mark, onCaughtUp) {
                let log = StreamLog(parts(of: place.generation, from: bookmark), cursor)
                return ReplicatedPartition(self, partition, copy, log).open
            }
        } catch {
            copy.close()
            throw error
        }
        copy.close()
        return nil
    }

    /// A mark shows how far a log goes.
    private func publish(_ mark: LogMessage, to generation: LogGeneration) async throws(LogError) {
        let message = descriptor.topology.logMessage(mark, to: generation.stream, at: clock.now())
        do throws(TransportError) {
            if try await transport.publish([message]) == [.confirmed] { return }
        } catch {
            throw .unavailable("\(generation.stream): \(error)")
        }
        // Without it the follower would wait for ever to have caught up.
        throw .unavailable("the broker did not take a mark for \(generation.stream)")
    }

    /// What a log's reading begins with.
    struct Place {
        var generation: LogGeneration
        /// nil: at the stream's beginning.
        var bookmark: LogBookmark?
        /// Streams of before that nobody can need.
        var leftovers: [JournalFold.Leftover]
        /// Where what has ended is, but for what ended since.
        var archive: [ArchiveSegment]
    }

    /// Finds the stream the log is in, and where a copy goes on in it. A copy of another log is emptied.
    ///
    /// - Parameter epoch: Its claim and what the journal has before it are known; nil: everything there is now.
    func place(
        of partition: PartitionID, _ copy: any PartitionCopy, since epoch: Epoch?
    ) async throws(LogError) -> Place {
        let known: JournalFold.Partition
        do throws(EpochError) {
            known = try await journal.state(of: partition, since: epoch)
        } catch {
            throw LogError(error)
        }
        let generation = known.announcement?.generation ?? LogGeneration.first(of: descriptor, partition)
        do throws(StoreError) {
            let archive = known.announcement?.archive ?? []
            let bookmark = try bookmark(of: copy, in: generation, known.announcement)
            var place = Place(
                generation: generation, bookmark: bookmark, leftovers: known.leftovers, archive: archive)
            if bookmark != nil {
                if try !planArchive(of: copy, archive) { place.bookmark = nil }
                try copy.forgetPurged(notIn: archive)
            }
            return place
        } catch {
            throw LogError(error)
        }
    }

    /// Has a copy that lacks some of the archive look for it where it is now.
    ///
    /// - Returns: false: the copy was emptied, since it has the beginning of an instance whose rest is elsewhere now.
    private func planArchive(of copy: any PartitionCopy, _ archive: [ArchiveSegment]) throws(StoreError) -> Bool {
        guard let missing = try copy.missingArchive(), !missing.segments.allSatisfy(archive.contains) else {
            return true
        }
        if missing.partial != nil {
            try copy.reset()
            return false
        }
        // What has ended since is in the copy: no more can be missing than was.
        let rest = MissingArchive(filter: missing.filter, segments: archive.reversed())
        try copy.setMissingArchive(rest)
        return true
    }

    private func bookmark(
        of copy: any PartitionCopy, in generation: LogGeneration, _ announcement: GenerationAnnouncement?
    ) throws(StoreError) -> LogBookmark? {
        guard let bookmark = try copy.bookmark() else {
            // One that was being filled when its worker ended stands nowhere and has rows all the same.
            if !generation.hasSnapshot, try !copy.counts().isEmpty { try copy.reset() }
            return nil
        }
        if bookmark.generation == generation { return bookmark }
        let standing = try copy.recover().position
        if bookmark.generation.isSameLog(as: generation), let announcement {
            // What the snapshot has, this copy has, and perhaps some of what follows it: that was in both streams.
            if standing >= generation.base { return LogBookmark(announcement) }
            logger.info(
                "filling the copy of partition \(generation.partition) from the snapshot of its log",
                metadata: ["position": "\(standing)", "snapshot": "\(generation.base)"])
            return nil
        }
        noteRebuild(of: generation.partition, "it is of stream \(bookmark.generation.stream)")
        try copy.reset()
        return nil
    }

    func parts(of generation: LogGeneration, from bookmark: LogBookmark? = nil) -> StreamLog.Parts {
        StreamLog.Parts(
            transport: transport, topology: descriptor.topology, generation: generation, clock: clock,
            writer: makeNonce(), bookmark: bookmark)
    }

    func note(_ epoch: Epoch, of partition: PartitionID) {
        newest.withLock { $0[partition] = max($0[partition] ?? .zero, epoch) }
    }

    func newestEpoch(of partition: PartitionID) -> Epoch { newest.withLock { $0[partition] ?? .zero } }

    func noteRebuild(of partition: PartitionID, _ reason: String) {
        logger.notice(
            "the copy of partition \(partition) does not belong to its log, filling it anew",
            metadata: ["reason": "\(reason)"])
    }
}

extension LogError {
    init(_ error: EpochError) {
        switch error {
        case .unavailable(let text): self = .unavailable(text)
        }
    }
}
