package import DurableCore

extension MessageBatch: WireCodable {
    package init(wire bytes: [UInt8]) throws(WireError) {
        let wire = try PBMessageBatch(alone: bytes)
        self.init(
            messages: try wire.messages.map(Message.init), marker: wire.hasMarker ? Epoch(wire.marker) : nil,
            applied: wire.hasApplied ? try AppliedThrough(wire.applied) : nil,
            answer: wire.hasAnswer ? try EpisodeAnswer(wire.answer) : nil)
    }

    package var wireBytes: [UInt8] {
        var wire = PBMessageBatch()
        wire.messages = messages.map(PBMessage.init)
        if let marker { wire.marker = PBEpoch(marker) }
        if let applied { wire.applied = PBAppliedThrough(applied) }
        if let answer { wire.answer = PBEpisodeAnswer(answer) }
        return wire.aloneBytes()
    }
}

extension PBMessage {
    init(_ message: Message) {
        self.init()
        id = message.id.value
        instanceID = message.instanceID.value
        if let executionID = message.executionID { self.executionID = executionID.value }
        dispatch = message.dispatch
        if let origin = message.origin { self.origin = PBOrigin(origin) }
        if let reply = message.reply {
            self.reply.routingKey = reply.routingKey
            self.reply.correlationID = reply.correlationID
        }
        event = PBHistoryEvent(message.event)
        if message.idReuse != .refuse { idReuse = PBIDReuse(message.idReuse) }
        rewinds = message.rewinds
    }
}

extension Message {
    init(_ wire: PBMessage) throws(WireError) {
        try required(wire.hasEvent, "event of message \(wire.id)")
        self.init(
            id: MessageID(wire.id),
            instanceID: InstanceID(wire.instanceID),
            executionID: wire.hasExecutionID ? ExecutionID(wire.executionID) : nil,
            dispatch: wire.dispatch,
            origin: wire.hasOrigin ? try Origin(wire.origin) : nil,
            reply: wire.hasReply
                ? ReplyAddress(routingKey: wire.reply.routingKey, correlationID: wire.reply.correlationID) : nil,
            event: try HistoryEvent(wire.event))
        if wire.hasIDReuse { idReuse = try IDReuse(wire.idReuse) }
        rewinds = wire.rewinds
    }
}

extension PBIDReuse {
    init(_ reuse: IDReuse) {
        self.init()
        running =
            switch reuse.running {
            case .refuse: .refuse
            case .useExisting: .useExisting
            case .terminate: .terminate
            }
        ended =
            switch reuse.ended {
            case .refuse: .refuse
            case .allow: .allow
            case .allowUnlessCompleted: .allowUnlessCompleted
            }
    }
}

extension IDReuse {
    init(_ wire: PBIDReuse) throws(WireError) {
        self.init()
        switch wire.running {
        case .refuse: running = .refuse
        case .useExisting: running = .useExisting
        case .terminate: running = .terminate
        case .UNRECOGNIZED(let value):
            throw .undecodable("what a start does where its ID runs, \(value), is not known to this version")
        }
        switch wire.ended {
        case .refuse: ended = .refuse
        case .allow: ended = .allow
        case .allowUnlessCompleted: ended = .allowUnlessCompleted
        case .UNRECOGNIZED(let value):
            throw .undecodable("what a start does where its ID has ended, \(value), is not known to this version")
        }
    }
}
