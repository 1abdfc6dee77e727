internal import DurableCore
internal import SwiftProtobuf

extension PBUpdateRequested {
    init(_ request: UpdateRequest) {
        self.init()
        id = request.id.value
        name = request.name
        if let input = request.input { self.input = Google_Protobuf_BytesValue(input) }
    }
}

extension UpdateRequest {
    init(_ wire: PBUpdateRequested) {
        self.init(id: UpdateID(wire.id), name: wire.name, input: wire.hasInput ? Payload(wire.input) : nil)
    }
}

extension PBEndedUpdate {
    init(_ ended: UpdateLedger.Ended) {
        self.init()
        id = ended.id.value
        outcome = PBUpdateOutcome(ended.outcome)
    }
}

extension UpdateLedger.Ended {
    init(_ wire: PBEndedUpdate) throws(WireError) {
        self.init(id: UpdateID(wire.id), outcome: try UpdateOutcome(wire.outcome))
    }
}

extension PBUpdateOutcome {
    init(_ outcome: UpdateOutcome) {
        self.init()
        switch outcome {
        case .completed(let result):
            completed = Completed()
            if let result { completed.result = result.data }
        case .failed(let failure): failed = PBFailureDetails(failure)
        case .rejected(let reason): rejected = PBFailureDetails(reason)
        case .notBegun: notBegun = None()
        case .notFinished: notFinished = None()
        case .forgotten: forgotten = None()
        }
    }
}

extension UpdateOutcome {
    init(_ wire: PBUpdateOutcome) throws(WireError) {
        switch wire.kind {
        case .completed(let wire): self = .completed(wire.hasResult ? Payload(wire.result) : nil)
        case .failed(let wire): self = .failed(FailureDetails(wire))
        case .rejected(let wire): self = .rejected(FailureDetails(wire))
        case .notBegun: self = .notBegun
        case .notFinished: self = .notFinished
        case .forgotten: self = .forgotten
        case nil: throw .undecodable("outcome of an update of a kind this version does not know")
        }
    }
}
