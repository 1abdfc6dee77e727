/// Which messages of a log stream count, in the order the stream has them.
///
/// Everyone who folds a stream from its first message, or from a `LogBookmark` someone else took, finds the same units
/// at the same positions: that is what fences owners and makes an append that was written twice count once.
package struct LogFold: Hashable, Sendable {
    /// Of the stream; nil before its first message.
    package private(set) var generation: LogGeneration?
    /// Of the last record that counts.
    package private(set) var position = LogPosition(0)
    /// Highest epoch that has begun.
    package private(set) var newest = Epoch.zero
    /// Last unit of that epoch that counts; before the snapshot is complete, its last chunk in place.
    package private(set) var lastIndex: UInt64 = 0
    /// Content of the messages so far, whether they count or not.
    package private(set) var bytes: UInt64 = 0
    /// Of that, the snapshot's.
    package private(set) var snapshotBytes: UInt64 = 0
    /// False while the snapshot is being read that the stream begins with.
    private var isLog = true
    private var partial: PartialUnit?

    /// A unit of which the first parts are in place.
    private struct PartialUnit: Hashable {
        var unit: LogUnit
        var taken: Int
        var count: Int
    }

    package enum Judgement: Hashable, Sendable {
        /// The unit that ends with this message counts.
        case unit(LogUnit)
        /// In place, but the unit needs more parts.
        case part
        /// Says again what is in place.
        case repeated
        case void(Void)
        case generation
        case mark
        /// The chunk of the snapshot that ends with this message is in place.
        case chunk(LogUnit)
        case snapshotComplete
    }

    /// Why a message counts for nothing.
    package enum Void: Hashable, Sendable {
        /// A newer epoch has begun, or this one had.
        case superseded
        /// Its epoch has not begun.
        case notBegun
        /// Something before it is not in place.
        case gap
        /// Another writer of the same epoch is at work on the same unit.
        case foreign
    }

    /// A stream of which nothing more can be told: its beginning is missing.
    package struct Damage: Error, Hashable, Sendable {
        package var text: String
        package init(text: String) { self.text = text }
    }

    package init() {}

    /// Takes the stream's next message.
    ///
    /// - Throws: when the stream does not begin with its own description.
    package mutating func take(_ message: LogMessage) throws(Damage) -> Judgement {
        switch message {
        case .generation(let generation):
            // Written twice when the hub's creation was repeated.
            if self.generation != nil { return .repeated }
            self.generation = generation
            position = generation.base
            newest = generation.epoch
            isLog = !generation.hasSnapshot
            return .generation
        case .mark:
            try requireGeneration()
            return .mark
        case .part(let part):
            try requireGeneration()
            bytes += UInt64(part.content.count)
            // Nobody writes to a stream before its snapshot is complete.
            guard isLog else { throw Damage(text: "its snapshot is not complete") }
            return part.index == 0 ? takeBegin(part) : take(part)
        case .snapshot(let part):
            try requireGeneration()
            if isLog { return .repeated }
            bytes += UInt64(part.content.count)
            return take(part)
        case .snapshotComplete(let chunks):
            try requireGeneration()
            if isLog { return .repeated }
            guard chunks == lastIndex else {
                throw Damage(text: "its snapshot has \(lastIndex) chunks in place, \(chunks) were written")
            }
            isLog = true
            snapshotBytes = bytes
            lastIndex = 0
            partial = nil
            return .snapshotComplete
        }
    }

    private func requireGeneration() throws(Damage) {
        if generation == nil { throw Damage(text: "its first message does not say whose it is: the beginning is lost") }
    }

    private mutating func takeBegin(_ part: LogPart) -> Judgement {
        guard part.epoch > newest else { return .void(.superseded) }
        newest = part.epoch
        lastIndex = 0
        partial = nil
        return settle(LogUnit(part))
    }

    private mutating func take(_ part: LogPart) -> Judgement {
        if part.epoch < newest { return .void(.superseded) }
        if part.epoch > newest { return .void(.notBegun) }
        if part.index <= lastIndex { return .repeated }
        if part.index > lastIndex + 1 { return .void(.gap) }
        if part.number == 1, partial?.unit.writer != part.writer {
            // Also in place of what another writer left unfinished.
            partial = PartialUnit(unit: LogUnit(part), taken: 1, count: part.count)
        } else {
            guard var partial else { return .void(.gap) }
            if partial.unit.writer != part.writer || partial.count != part.count { return .void(.foreign) }
            if part.number <= partial.taken { return .repeated }
            if part.number > partial.taken + 1 { return .void(.gap) }
            self.partial = nil  // not held twice while it grows
            partial.unit.content += part.content
            partial.taken += 1
            self.partial = partial
        }
        guard let whole = partial, whole.taken == whole.count else { return .part }
        partial = nil
        lastIndex = part.index
        return settle(whole.unit)
    }

    private mutating func settle(_ unit: LogUnit) -> Judgement {
        guard isLog else { return .chunk(unit) }
        position.value += UInt64(unit.recordCount)
        return .unit(unit)
    }
}

extension LogUnit {
    fileprivate init(_ part: LogPart) {
        self.init(
            epoch: part.epoch, index: part.index, writer: part.writer, recordCount: part.recordCount,
            content: part.content)
    }
}

/// A place in a log stream right behind a unit that counts, from which a fold can go on.
package struct LogBookmark: Hashable, Sendable {
    package var generation: LogGeneration
    /// Of the message that ended the unit; 0: the stream's first message.
    package var offset: UInt64
    package var position: LogPosition
    package var newest: Epoch
    package var lastIndex: UInt64
    /// Content of the stream's messages up to here, and of its snapshot's.
    package var bytes: UInt64
    package var snapshotBytes: UInt64

    package init(
        generation: LogGeneration, offset: UInt64, position: LogPosition, newest: Epoch, lastIndex: UInt64,
        bytes: UInt64 = 0, snapshotBytes: UInt64 = 0
    ) {
        self.generation = generation
        self.offset = offset
        self.position = position
        self.newest = newest
        self.lastIndex = lastIndex
        self.bytes = bytes
        self.snapshotBytes = snapshotBytes
    }

    /// Right behind the snapshot of a generation, where its log begins.
    package init(_ announcement: GenerationAnnouncement) {
        let generation = announcement.generation
        self.init(
            generation: generation, offset: announcement.snapshotEnd, position: generation.base,
            newest: generation.epoch, lastIndex: 0, bytes: announcement.snapshotBytes,
            snapshotBytes: announcement.snapshotBytes)
    }

    /// Whether `message`, found at `offset`, is what was there when the bookmark was taken.
    package func fits(_ message: LogMessage) -> Bool {
        switch message {
        case .generation(let generation):
            newest == .zero && !generation.hasSnapshot && generation == self.generation
        case .part(let part): part.epoch == newest && part.index == lastIndex && part.number == part.count
        case .snapshotComplete: lastIndex == 0 && newest == generation.epoch
        case .mark, .snapshot: false
        }
    }
}

extension LogFold {
    /// Goes on behind a bookmark.
    package init(from bookmark: LogBookmark) {
        generation = bookmark.generation
        position = bookmark.position
        newest = bookmark.newest
        lastIndex = bookmark.lastIndex
        bytes = bookmark.bytes
        snapshotBytes = bookmark.snapshotBytes
    }

    /// - Parameter offset: Of the message just taken, which was judged `.unit`, `.generation` or `.snapshotComplete`.
    /// - Returns: nil before the stream's first message, and within its snapshot.
    package func bookmark(at offset: UInt64) -> LogBookmark? {
        guard let generation, isLog else { return nil }
        return LogBookmark(
            generation: generation, offset: offset, position: position, newest: newest, lastIndex: lastIndex,
            bytes: bytes, snapshotBytes: snapshotBytes)
    }
}
