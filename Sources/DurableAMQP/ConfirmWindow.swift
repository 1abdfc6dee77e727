package import DurableBackend

/// Messages of one `publish` call. Touched by the connection's thread only, once posted.
package final class PublishBatch: @unchecked Sendable {  // handed to the thread with the command that posts it
    package let messages: [OutgoingMessage]
    package let waiter = Waiter<[PublishOutcome]>()
    let deadline: ContinuousClock.Instant
    /// Index of the first message not yet sent.
    var next = 0
    private var outcomes: [PublishOutcome]
    private var unanswered: Int

    package init(_ messages: [OutgoingMessage], connectedBy deadline: ContinuousClock.Instant) {
        self.messages = messages
        self.deadline = deadline
        outcomes = Array(repeating: .confirmed, count: messages.count)
        unanswered = messages.count
    }

    func answer(_ index: Int, _ outcome: PublishOutcome) {
        outcomes[index] = outcome
        unanswered -= 1
        if unanswered == 0 { waiter.resolve(.success(outcomes)) }
    }
}

/// What was published on one channel and not answered yet. Tags count up from 1; answers come in any order,
/// one by one or for everything up to a tag, and a return always before the answer to the same message.
package struct ConfirmWindow {
    package init() {}

    private struct Entry {
        var batch: PublishBatch
        var index: Int
        var sent: ContinuousClock.Instant
        var returned: String?
    }

    /// Slot 0 belongs to `firstTag`; nil once answered. Slots answered at the front are dropped.
    private var entries: [Entry?] = []
    private var head = 0
    private var firstTag: UInt64 = 1
    /// Tag from which the next return is looked for: the broker handles, hence returns, in order of publishing.
    private var returnTag: UInt64 = 1
    package private(set) var unconfirmedBytes = 0

    package var isEmpty: Bool { head == entries.count }
    /// When the oldest message without an answer was sent; nil: all are answered.
    package var unansweredSince: ContinuousClock.Instant? { isEmpty ? nil : entries[head]?.sent }
    /// A message over the limit goes alone.
    package func hasRoom(for message: OutgoingMessage, within limit: Int) -> Bool {
        isEmpty || unconfirmedBytes + message.cost <= limit
    }
    private var nextTag: UInt64 { firstTag + UInt64(entries.count - head) }

    package mutating func append(_ batch: PublishBatch, _ index: Int, at now: ContinuousClock.Instant) {
        entries.append(Entry(batch: batch, index: index, sent: now))
        unconfirmedBytes += batch.messages[index].cost
    }

    /// Takes the broker's answer. Tags it has answered before or never got are ignored.
    ///
    /// - Returns: When the oldest of what is answered by it was sent; nil: nothing is.
    @discardableResult
    package mutating func answer(upTo tag: UInt64, multiple: Bool, isConfirmed: Bool) -> ContinuousClock.Instant? {
        guard tag >= firstTag, tag < nextTag else { return nil }
        var oldest: ContinuousClock.Instant?
        let last = head + Int(tag - firstTag)
        for slot in (multiple ? head : last)...last {
            guard let entry = entries[slot] else { continue }
            entries[slot] = nil
            oldest = oldest ?? entry.sent
            unconfirmedBytes -= entry.batch.messages[entry.index].cost
            let held = entry.returned.map(PublishOutcome.returned) ?? .confirmed
            entry.batch.answer(entry.index, isConfirmed ? held : .rejected)
        }
        while head < entries.count, entries[head] == nil {
            head += 1
            firstTag += 1
        }
        if head == entries.count {
            entries.removeAll(keepingCapacity: true)
            head = 0
        } else if head > 1024, head > entries.count / 2 {
            entries.removeFirst(head)
            head = 0
        }
        return oldest
    }

    /// Notes that the broker gave a message back. A return carries no tag: it belongs to the first message not yet
    /// passed by a return that is the same in all a receiver could tell apart.
    package mutating func markReturned(_ returned: Delivery, text: String) {
        var tag = max(returnTag, firstTag)
        while tag < nextTag {
            let slot = head + Int(tag - firstTag)
            if let entry = entries[slot], entry.batch.messages[entry.index].isSame(as: returned) {
                entries[slot]?.returned = text
                returnTag = tag + 1
                return
            }
            tag += 1
        }
    }

    /// Batches with something unanswered, in order of publishing, each once. Empties the window.
    package mutating func removeAll() -> [PublishBatch] {
        var batches: [PublishBatch] = []
        for entry in entries[head...] {
            guard let batch = entry?.batch, batches.last !== batch else { continue }
            batches.append(batch)
        }
        self = ConfirmWindow()
        return batches
    }
}

extension OutgoingMessage {
    fileprivate func isSame(as returned: Delivery) -> Bool {
        isMandatory && exchange == returned.exchange && routingKey == returned.routingKey
            && properties.messageID == returned.properties.messageID && properties.type == returned.properties.type
            && properties.correlationID == returned.properties.correlationID
            && properties.replyTo == returned.properties.replyTo && body == returned.body
    }
}
