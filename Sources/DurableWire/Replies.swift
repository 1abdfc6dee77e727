package import DurableCore

extension Reply: WireCodable {
    package init(wire bytes: [UInt8]) throws(WireError) {
        let wire = try PBReply(alone: bytes)
        let body: Body
        switch wire.body {
        case .verdict(let verdict): body = .verdict(try Verdict(verdict))
        case .answer(let answer): body = .answer(try QueryAnswer(answer))
        case nil: throw .undecodable("reply of a kind this version does not know")
        }
        self.init(
            correlationID: wire.correlationID, partition: try PartitionID(wireIndex: wire.partition),
            epoch: Epoch(wire.epoch), body: body)
    }

    package var wireBytes: [UInt8] {
        var wire = PBReply()
        wire.correlationID = correlationID
        wire.partition = partition.wireIndex
        wire.epoch = PBEpoch(epoch)
        switch body {
        case .verdict(let verdict): wire.verdict = PBVerdict(verdict)
        case .answer(let answer): wire.answer = PBQueryAnswer(answer)
        }
        return wire.aloneBytes()
    }
}

extension PBVerdict {
    init(_ verdict: Verdict) {
        self =
            switch verdict {
            case .created: .created
            case .exists: .exists
            case .joined: .joined
            case .notFailed: .notFailed
            case .notRewindable: .notRewindable
            case .accepted: .accepted
            case .duplicate: .duplicate
            case .notFound: .notFound
            case .ended: .ended
            case .unexpected: .unexpected
            }
    }
}

extension Verdict {
    init(_ wire: PBVerdict) throws(WireError) {
        switch wire {
        case .created: self = .created
        case .exists: self = .exists
        case .joined: self = .joined
        case .notFailed: self = .notFailed
        case .notRewindable: self = .notRewindable
        case .accepted: self = .accepted
        case .duplicate: self = .duplicate
        case .notFound: self = .notFound
        case .ended: self = .ended
        case .unexpected: self = .unexpected
        case .unspecified, .UNRECOGNIZED:
            throw .undecodable("verdict \(wire.rawValue) is not known to this version")
        }
    }
}

extension PBQueryAnswer {
    init(_ answer: QueryAnswer) {
        self.init()
        switch answer {
        case .status(let snapshot):
            status = PBInstanceSnapshot(snapshot)
        case .history(let events, let executionID, let isComplete):
            history.events = events.map(PBHistoryEvent.init)
            if let executionID { history.executionID = executionID.value }
            history.isComplete = isComplete
        case .list(let instances, let isComplete):
            list.instances = instances.map(PBInstanceSnapshot.init)
            list.isComplete = isComplete
        case .counts(let counts):
            self.counts.counts = counts.map { count in
                var wire = StatusCount()
                wire.status = PBOrchestrationStatus(count.status)
                wire.count = Int64(count.count)
                return wire
            }
        case .redriven(let redriven):
            self.redriven.tasks = Int64(redriven.tasks)
            self.redriven.messages = Int64(redriven.messages)
            self.redriven.timers = Int64(redriven.timers)
        case .mayRun(let isAllowed):
            mayRun = isAllowed
        case .released(let hold):
            released = Released()
            if let hold { released.hold = PBHold(hold) }
        case .tasks(let open):
            tasks.tasks = open.map { PBTaskDetails($0.task, $0.details) }
        case .value(let value):
            self.value = Value()
            if let value { self.value.value = value.data }
        case .handlerFailed(let failure):
            handlerFailed = PBFailureDetails(failure)
        case .update(let outcome):
            update = PBUpdateOutcome(outcome)
        case .unknownUpdate(let status):
            unknownUpdate.status = PBOrchestrationStatus(status)
        case .purged(let purged):
            self.purged.instances = Int64(purged.instances)
            self.purged.events = Int64(purged.events)
            self.purged.running = purged.running.map(\.value)
            self.purged.missing = purged.missing.map(\.value)
        case .notFound:
            notFound = NotFound()
        case .failed(let text):
            failed.text = text
        }
    }
}

extension QueryAnswer {
    init(_ wire: PBQueryAnswer) throws(WireError) {
        switch wire.kind {
        case .status(let snapshot):
            self = .status(try InstanceSnapshot(snapshot))
        case .history(let history):
            self = .history(
                try history.events.map(HistoryEvent.init),
                of: history.executionID.isEmpty ? nil : ExecutionID(history.executionID),
                isComplete: history.isComplete)
        case .list(let list):
            self = .list(try list.instances.map(InstanceSnapshot.init), isComplete: list.isComplete)
        case .counts(let counts):
            self = .counts(try counts.counts.map(StatusCount.init))
        case .mayRun(let isAllowed):
            self = .mayRun(isAllowed)
        case .released(let wire):
            self = .released(wire.hasHold ? Hold(wire.hold) : nil)
        case .tasks(let wire):
            self = .tasks(wire.tasks.map { OpenTaskDetails(task: TaskKey($0.task), details: $0.payload) })
        case .value(let wire):
            self = .value(wire.hasValue ? Payload(wire.value) : nil)
        case .handlerFailed(let wire):
            self = .handlerFailed(FailureDetails(wire))
        case .update(let wire):
            self = .update(try UpdateOutcome(wire))
        case .unknownUpdate(let wire):
            self = .unknownUpdate(try OrchestrationStatus(wire.status))
        case .redriven(let wire):
            self = .redriven(
                Redriven(
                    tasks: try checkedCount(wire.tasks, "tasks sent again"),
                    messages: try checkedCount(wire.messages, "messages sent again"),
                    timers: try checkedCount(wire.timers, "timers")))
        case .purged(let wire):
            self = .purged(
                Purged(
                    instances: try checkedCount(wire.instances, "instances purged"),
                    events: try checkedCount(wire.events, "events purged"),
                    running: wire.running.map { InstanceID($0) }, missing: wire.missing.map { InstanceID($0) }))
        case .notFound:
            self = .notFound
        case .failed(let failed):
            self = .failed(failed.text)
        case nil:
            throw .undecodable("answer of a kind this version does not know")
        }
    }
}

extension QueryAnswer.StatusCount {
    fileprivate init(_ wire: PBQueryAnswer.StatusCount) throws(WireError) {
        self.init(
            status: try OrchestrationStatus(wire.status), count: try checkedCount(wire.count, "number of instances"))
    }
}
