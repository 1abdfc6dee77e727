import DurableCore
import DurableWire
import Testing

@Suite("Payloads in envelopes on the wire") struct SealedPayloadTests {
    private static let sealed = PayloadEnvelope(.codec, "aes-gcm", parameters: Array("k1".utf8), content: [1]).payload
    private static let time = Timestamp(millisecondsSinceEpoch: 1)

    private func record(_ kind: HistoryEvent.Kind) -> PartitionRecord {
        let change = InstanceChange(
            instanceID: InstanceID("a"), time: Self.time, history: [HistoryEvent(timestamp: Self.time, kind: kind)])
        return .checkpoint(Checkpoint(time: Self.time, changes: [change]))
    }

    @Test(
        "What earlier builds would hand to code carries a format that they refuse",
        arguments: [
            HistoryEvent.Kind.eventRaised(name: "go", input: sealed),
            .taskCompleted(taskID: EventID(0), result: sealed),
            .subOrchestrationCompleted(taskID: EventID(0), result: sealed),
        ])
    func raisesTheFormat(kind: HistoryEvent.Kind) throws {
        // The format is the first field: 08, then its number.
        let record = record(kind)
        #expect(record.wireBytes.prefix(2) == [0x08, 4])
        #expect(try PartitionRecord(wire: record.wireBytes) == record)
        let events = [HistoryEvent(timestamp: Self.time, kind: kind)]
        let history = HistoryCodec.encode(events)
        #expect(history.prefix(2) == [0x08, 4])
        #expect(try HistoryCodec.decode(history) == events)
    }

    @Test("What code is not given, and plain payloads, raise nothing") func leavesTheRest() {
        #expect(record(.taskScheduled(name: "Work", input: Self.sealed)).wireBytes.prefix(2) == [0x08, 1])
        #expect(record(.eventRaised(name: "go", input: Payload("1"))).wireBytes.prefix(2) == [0x08, 1])
    }

    @Test("An envelope has these bytes, for ever") func fixture() throws {
        let envelope = PayloadEnvelope(.codec, "zlib", parameters: [0, 7], content: Array("abc".utf8))
        let bytes: [UInt8] = [0xF5, 0x64, 0x74, 0x71, 1, 2, 4, 0x7A, 0x6C, 0x69, 0x62, 0, 2, 0, 7, 0x61, 0x62, 0x63]
        #expect(envelope.payload == Payload(bytes))
        #expect(try PayloadEnvelope.read(Payload(bytes)) == envelope)
        for cut in 4..<15 {
            #expect(throws: PayloadEnvelope.Defect.self) { try PayloadEnvelope.read(Payload(Array(bytes[..<cut]))) }
        }
        #expect(try PayloadEnvelope.read(Payload(Array(bytes[..<3]))) == nil)
        #expect(throws: PayloadEnvelope.Defect.self) {
            try PayloadEnvelope.read(Payload([0xF5, 0x64, 0x74, 0x71, 2] + bytes[5...]))
        }
    }

    @Test("A reference has these bytes, for ever") func referenceFixture() throws {
        let stored = StoredPayload(key: "h/i/r/0/x", size: 258, sha256: Array(repeating: 9, count: 32))
        let envelope = stored.envelope
        #expect(envelope.name == "store" && envelope.layer == .reference)
        #expect(
            envelope.content == Array(repeating: 9, count: 32) + [0, 0, 0, 0, 0, 0, 1, 2] + Array("h/i/r/0/x".utf8))
        #expect(try StoredPayload(envelope) == stored)
    }
}
