package import DurableCore
internal import Foundation

extension EpisodeRequest: WireCodable {
    package init(wire bytes: [UInt8]) throws(WireError) {
        let wire = try PBEpisodeRequest(alone: bytes)
        try required(wire.hasID && wire.id.hasEpoch && wire.hasCode, "ID or code of an episode")
        self.init(
            partition: try PartitionID(wireIndex: wire.partition), epoch: Epoch(wire.id.epoch), number: wire.id.number,
            instanceID: InstanceID(wire.id.instanceID), executionID: ExecutionID(wire.executionID), name: wire.name,
            version: wire.hasVersion ? wire.version : nil, code: OrchestrationCode(wire.code), patches: wire.patches,
            historyCount: try checkedCount(wire.historyCount, "history count of an episode"),
            history: try wire.history.map(HistoryEvent.init), newEvents: try wire.newEvents.map(HistoryEvent.init),
            updates: wire.updates.map(UpdateRequest.init))
        guard newEvents.first?.kind == .orchestratorStarted else {
            throw .undecodable("the new events of an episode do not begin with its time")
        }
        guard history.isEmpty || history.count == historyCount else {
            throw .undecodable("an episode comes with \(history.count) of \(historyCount) events")
        }
    }

    package var wireBytes: [UInt8] {
        var wire = PBEpisodeRequest()
        wire.id = PBEpisodeID(id)
        wire.partition = partition.wireIndex
        wire.executionID = executionID.value
        wire.name = name
        if let version { wire.version = version }
        wire.code = PBOrchestrationCode(code)
        wire.patches = patches
        wire.historyCount = Int64(historyCount)
        wire.history = history.map(PBHistoryEvent.init)
        wire.newEvents = newEvents.map(PBHistoryEvent.init)
        wire.updates = updates.map(PBUpdateRequested.init)
        return wire.aloneBytes()
    }
}

extension PBEpisodeAnswer {
    init(_ answer: EpisodeAnswer) {
        self.init()
        id = PBEpisodeID(answer.id)
        author = PBEpisodeAuthor(answer.author)
        switch answer.body {
        case .actions(let part):
            actions.number = UInt32(clamping: part.number)
            actions.count = UInt32(clamping: part.count)
            actions.content = Data(part.content)
        case .failure(.nonDeterministic(let position, let holds, let asked)):
            failure.nonDeterministic.position = Int64(position)
            failure.nonDeterministic.historyHolds = holds
            failure.nonDeterministic.codeAsked = asked
        case .failure(.nonDurableAwait(let text)):
            failure.nonDurableAwait = text
        case .failure(.contextMisuse(let text)):
            failure.contextMisuse = text
        case .payloadFault(let fault):
            payloadFault.kind =
                switch fault.kind {
                case .unavailable: .unavailable
                case .unreadable: .unreadable
                case .tooLarge: .tooLarge
                }
            payloadFault.code = fault.code
            payloadFault.reason = fault.reason
            payloadFault.remedy = fault.remedy
        }
    }
}

extension EpisodeAnswer {
    init(_ wire: PBEpisodeAnswer) throws(WireError) {
        try required(wire.hasID && wire.id.hasEpoch, "ID of an episode's answer")
        let body: Body
        switch wire.body {
        case .actions(let part):
            guard part.number >= 1, part.number <= part.count else {
                throw .undecodable("part \(part.number) of \(part.count) of an episode's answer")
            }
            body = .actions(Part(number: Int(part.number), count: Int(part.count), content: [UInt8](part.content)))
        case .failure(let wire):
            switch wire.kind {
            case .nonDeterministic(let wire):
                body = .failure(
                    .nonDeterministic(
                        position: try checkedCount(wire.position, "position of a divergence"),
                        historyHolds: wire.historyHolds, codeAsked: wire.codeAsked))
            case .nonDurableAwait(let text): body = .failure(.nonDurableAwait(text))
            case .contextMisuse(let text): body = .failure(.contextMisuse(text))
            case nil: throw .undecodable("an episode's failure is of a kind this version does not know")
            }
        case .payloadFault(let wire):
            let kind: PayloadFault.Kind =
                switch wire.kind {
                case .unreadable: .unreadable
                case .tooLarge: .tooLarge
                case .unavailable, .UNRECOGNIZED: .unavailable
                }
            body = .payloadFault(PayloadFault(kind, wire.code, wire.reason, remedy: wire.remedy))
        case nil: throw .undecodable("an episode's answer is of a kind this version does not know")
        }
        self.init(id: EpisodeID(wire.id), author: EpisodeAuthor(wire.author), body: body)
    }
}

extension PBEpisodeID {
    init(_ id: EpisodeID) {
        self.init()
        instanceID = id.instanceID.value
        epoch = PBEpoch(id.epoch)
        number = id.number
    }
}

extension EpisodeID {
    init(_ wire: PBEpisodeID) {
        self.init(instanceID: InstanceID(wire.instanceID), epoch: Epoch(wire.epoch), number: wire.number)
    }
}

extension PBEpisodeAuthor {
    init(_ author: EpisodeAuthor) {
        self.init()
        build = author.build
        if let version = author.version { self.version = version }
    }
}

extension EpisodeAuthor {
    init(_ wire: PBEpisodeAuthor) { self.init(build: wire.build, version: wire.hasVersion ? wire.version : nil) }
}

extension PBOrchestrationCode {
    init(_ code: OrchestrationCode) {
        self.init()
        name = code.name
        if let version = code.version { self.version = version }
    }
}

extension OrchestrationCode {
    init(_ wire: PBOrchestrationCode) {
        self.init(name: wire.name, version: wire.hasVersion ? wire.version : nil)
    }
}
