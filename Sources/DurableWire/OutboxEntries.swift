package import DurableCore

extension OutboxEntry: WireCodable {
    package init(wire bytes: [UInt8]) throws(WireError) {
        try self.init(try PBOutboxEntry(alone: bytes))
    }

    package var wireBytes: [UInt8] { PBOutboxEntry(self).aloneBytes() }
}

extension PBOutboxEntry {
    init(_ entry: OutboxEntry) {
        self.init()
        id = entry.id.value
        epoch = PBEpoch(entry.epoch)
        body =
            switch entry.body {
            case .task(let task): .task(PBTaskMessage(task))
            case .message(let message): .message(PBMessage(message))
            }
    }
}

extension OutboxEntry {
    init(_ wire: PBOutboxEntry) throws(WireError) {
        let body: Body
        switch wire.body {
        case .task(let task): body = .task(TaskMessage(task))
        case .message(let message): body = .message(try Message(message))
        case nil: throw .undecodable("outbox entry \(wire.id) is of a kind this version does not know")
        }
        self.init(id: OutboxID(wire.id), epoch: Epoch(wire.epoch), body: body)
    }
}
