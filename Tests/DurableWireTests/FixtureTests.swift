import DurableCore
import DurableWire
import Testing

/// Bytes fixed for ever: each field's number is that of the public Durable Task protocol.
///
/// An event is `08` event ID, `12` time stamp (2026-11-24T09:30:00.123Z), then the kind's field with its length. A blob
/// of events begins with its format version (`08 01`); each event follows as field 2.
@Suite("Bytes of history events") struct FixtureTests {
    struct Fixture: Sendable, CustomTestStringConvertible {
        /// Number of the kind's field in an event.
        var field: Int
        var kind: HistoryEvent.Kind
        /// What stands after event ID and time.
        var bytes: String
        /// What a reader must know: earlier builds know no patches, or no updates.
        var format: UInt8 = 1
        var testDescription: String { "field \(field)" }
    }

    static let time = Timestamp(millisecondsSinceEpoch: 1_795_512_600_123)
    /// Seconds 1,795,512,600 (field 1) and nanoseconds 123,000,000 (field 2).
    static let timeBytes = "08 98 b2 95 d8 06 10 c0 a9 d3 3a"
    static let failure = FailureDetails(
        errorType: "E", message: "m", stackTrace: "s", isNonRetryable: true,
        cause: [FailureDetails(errorType: "C", message: "")])
    /// Type 1, message 2, stack trace 3 (a wrapper), inner failure 4, not retriable 5.
    static let failureBytes = "0a 01 45 12 01 6d 1a 03 0a 01 73 22 03 0a 01 43 28 01"

    static let fixtures: [Fixture] = [
        Fixture(
            field: 3,
            kind: .executionStarted(
                ExecutionStarted(
                    name: "N", version: "3", input: Payload("i"), instanceID: InstanceID("I"),
                    executionID: ExecutionID("X"), scheduledStart: time,
                    parent: .init(
                        taskID: EventID(4), name: "P", instanceID: InstanceID("J"), executionID: ExecutionID("Y")),
                    traceParent: "t", tags: [.init(key: "k", value: "v")])),
            bytes: """
                1a 44 0a 01 4e 12 03 0a 01 33 1a 03 0a 01 69 22 08 0a 01 49 12 03 0a 01 58 \
                2a 11 08 04 12 03 0a 01 50 22 08 0a 01 4a 12 03 0a 01 59 32 0b \(timeBytes) \
                3a 03 0a 01 74 4a 06 0a 01 6b 12 01 76
                """),
        Fixture(
            field: 4, kind: .executionCompleted(status: .failed, result: Payload("r"), failure: failure),
            bytes: "22 1b 08 03 12 03 0a 01 72 1a 12 \(failureBytes)"),
        Fixture(
            field: 5, kind: .executionTerminated(reason: Payload("r"), recurse: true),
            bytes: "2a 07 0a 03 0a 01 72 10 01"),
        Fixture(
            field: 6, kind: .taskScheduled(name: "N", input: Payload("i")), bytes: "32 08 0a 01 4e 1a 03 0a 01 69"),
        Fixture(
            field: 7, kind: .taskCompleted(taskID: EventID(5), result: Payload("r")),
            bytes: "3a 07 08 05 12 03 0a 01 72"),
        Fixture(
            field: 8, kind: .taskFailed(taskID: EventID(5), failure: failure),
            bytes: "42 16 08 05 12 12 \(failureBytes)"),
        Fixture(
            field: 9,
            kind: .subOrchestrationCreated(ChildStart(instanceID: InstanceID("I"), name: "N", input: Payload("i"))),
            bytes: "4a 0b 0a 01 49 12 01 4e 22 03 0a 01 69"),
        Fixture(
            field: 10, kind: .subOrchestrationCompleted(taskID: EventID(5), result: Payload("r")),
            bytes: "52 07 08 05 12 03 0a 01 72"),
        Fixture(
            field: 11, kind: .subOrchestrationFailed(taskID: EventID(5), failure: failure),
            bytes: "5a 16 08 05 12 12 \(failureBytes)"),
        Fixture(field: 12, kind: .timerCreated(fireAt: time), bytes: "62 0d 0a 0b \(timeBytes)"),
        Fixture(
            field: 13, kind: .timerFired(timerID: EventID(5), fireAt: time), bytes: "6a 0f 0a 0b \(timeBytes) 10 05"),
        Fixture(field: 14, kind: .orchestratorStarted, bytes: "72 00"),
        Fixture(
            field: 16, kind: .eventSent(instanceID: InstanceID("I"), name: "N", input: Payload("i")),
            bytes: "82 01 0b 0a 01 49 12 01 4e 1a 03 0a 01 69"),
        Fixture(
            field: 17, kind: .eventRaised(name: "N", input: Payload("i")), bytes: "8a 01 08 0a 01 4e 12 03 0a 01 69"),
        // Our own fields 1000, 1001 and 1002.
        Fixture(
            field: 18, kind: .cancellationRequested(reason: Payload("r")), bytes: "92 01 08 d2 3e 05 0a 03 0a 01 72",
            format: 3),
        Fixture(
            field: 18, kind: .patchRecorded(id: "p", isDeprecated: true), bytes: "92 01 07 c2 3e 01 70 c8 3e 01",
            format: 2),
        // Our own fields 1020 and 1021.
        Fixture(
            field: 18,
            kind: .updateRequested(UpdateRequest(id: UpdateID("u"), name: "N", input: Payload("i"))),
            bytes: "92 01 0e e2 3f 0b 0a 01 75 12 01 4e 1a 03 0a 01 69", format: 3),
        Fixture(
            field: 18, kind: .updateCompleted(id: UpdateID("u"), result: Payload("r"), failure: failure),
            bytes: "92 01 1f ea 3f 1c 0a 01 75 12 03 0a 01 72 1a 12 \(failureBytes)", format: 3),
        // Fields of the public protocol, but 1020 and 1021, which are ours.
        Fixture(
            field: 23,
            kind: .entityOperationSignaled(
                EntitySignal(requestID: "r", operation: "N", input: Payload("i"), target: InstanceID("I"))),
            bytes: "ba 01 10 0a 01 72 12 01 4e 22 03 0a 01 69 2a 03 0a 01 49", format: 3),
        Fixture(
            field: 24,
            kind: .entityOperationCalled(
                EntityCall(
                    requestID: "r", operation: "N", input: Payload("i"), target: InstanceID("I"),
                    parent: InstanceID("J"), parentExecution: ExecutionID("X"), section: "s")),
            bytes: """
                c2 01 20 0a 01 72 12 01 4e 22 03 0a 01 69 2a 03 0a 01 4a 32 03 0a 01 58 3a 03 0a 01 49 \
                e2 3f 03 0a 01 73
                """, format: 3),
        Fixture(
            field: 25, kind: .entityOperationCompleted(requestID: "r", output: Payload("o")),
            bytes: "ca 01 08 0a 01 72 12 03 0a 01 6f", format: 3),
        Fixture(
            field: 26, kind: .entityOperationFailed(requestID: "r", failure: failure),
            bytes: "d2 01 17 0a 01 72 12 12 \(failureBytes)", format: 3),
        Fixture(
            field: 27,
            kind: .entityLockRequested(
                EntityLockRequest(
                    section: "s", lockSet: [InstanceID("I"), InstanceID("J")], position: 1, parent: InstanceID("K"),
                    parentExecution: ExecutionID("X"))),
            bytes: "da 01 16 0a 01 73 12 01 49 12 01 4a 18 01 22 03 0a 01 4b e2 3f 03 0a 01 58", format: 3),
        Fixture(field: 28, kind: .entityLockGranted(section: "s"), bytes: "e2 01 03 0a 01 73", format: 3),
        Fixture(
            field: 29,
            kind: .entityUnlockSent(
                EntityUnlock(section: "s", target: InstanceID("I"), lockSet: [InstanceID("J")], position: 1)),
            bytes: "ea 01 0f 0a 01 73 1a 03 0a 01 49 e2 3f 01 4a e8 3f 01", format: 3),
        Fixture(field: 20, kind: .continueAsNew(input: Payload("i")), bytes: "a2 01 05 0a 03 0a 01 69"),
        Fixture(field: 21, kind: .executionSuspended(reason: Payload("r")), bytes: "aa 01 05 0a 03 0a 01 72"),
        Fixture(field: 22, kind: .executionResumed(reason: Payload("r")), bytes: "b2 01 05 0a 03 0a 01 72"),
        // Of the public protocol, but 1010, which is ours.
        Fixture(
            field: 30, kind: .executionRewound(reason: Payload("r"), count: 3),
            bytes: "f2 01 08 0a 03 0a 01 72 90 3f 03", format: 3),
    ]

    @Test("Each kind has the bytes of the public protocol", arguments: fixtures)
    func bytes(_ fixture: Fixture) throws {
        let event = HistoryEvent(eventID: EventID(1), timestamp: Self.time, kind: fixture.kind)
        let tag = UInt64(fixture.field) << 3 | 2
        let tagBytes = tag < 0x80 ? [UInt8(tag)] : [UInt8(tag & 0x7f) | 0x80, UInt8(tag >> 7)]
        #expect(Hex.bytes(fixture.bytes).starts(with: tagBytes))
        let inner = Hex.bytes("08 01 12 0b \(Self.timeBytes) \(fixture.bytes)")
        let blob = [0x08, fixture.format, 0x12, UInt8(inner.count)] + inner
        #expect(Hex.text(HistoryCodec.encode([event])) == Hex.text(blob))
        #expect(try HistoryCodec.decode(blob) == [event])
    }

    @Test("Every kind there is has a fixture")
    func complete() {
        #expect(Set(Self.fixtures.map { event($0.kind) }) == Set(Samples.kinds.map { event($0) }))
    }

    private func event(_ kind: HistoryEvent.Kind) -> String { HistoryEvent(timestamp: Self.time, kind: kind).typeName }

    @Test("An event that records no action has ID -1, as in the public protocol")
    func noEventID() {
        let blob = HistoryCodec.encode([HistoryEvent(timestamp: Self.time, kind: .orchestratorStarted)])
        #expect(
            Hex.text(blob)
                == "08 01 12 1a 08 ff ff ff ff ff ff ff ff ff 01 12 0b \(Self.timeBytes) 72 00")
    }

    @Test("Statuses have the numbers of the public protocol")
    func statuses() {
        for status in OrchestrationStatus.allCases where status != .running {
            let event = HistoryEvent(
                timestamp: Self.time, kind: .executionCompleted(status: status, result: nil, failure: nil))
            let blob = HistoryCodec.encode([event])
            #expect(blob.suffix(4) == [0x22, 0x02, 0x08, UInt8(status.rawValue)])
        }
    }

    @Test("A batch of the first version still decodes")
    func firstBatch() throws {
        let bytes = Hex.bytes(
            """
            08 01 12 3a 0a 03 6d 2d 31 12 01 61 1a 01 65 20 02 2a 06 08 03 10 04 18 05 32 06 0a 01 6b 12 01 63 \
            52 1b 08 01 12 0b \(Self.timeBytes) 8a 01 09 0a 01 4e 12 04 0a 02 7b 7d 1a 04 08 01 10 29
            """)
        let message = Message(
            id: MessageID("m-1"), instanceID: InstanceID("a"), executionID: ExecutionID("e"), dispatch: 2,
            origin: Origin(partition: PartitionID(3), incarnation: 4, sequence: 5),
            reply: ReplyAddress(routingKey: "k", correlationID: "c"),
            event: HistoryEvent(
                eventID: EventID(1), timestamp: Self.time, kind: .eventRaised(name: "N", input: Payload("{}"))))
        let batch = MessageBatch(messages: [message], marker: Epoch(generation: 1, offset: 41))
        #expect(Hex.text(batch.wireBytes) == Hex.text(bytes))
        #expect(try MessageBatch(wire: bytes) == batch)
    }
}

enum Hex {
    static func bytes(_ text: String) -> [UInt8] {
        text.split(whereSeparator: \.isWhitespace).map { UInt8($0, radix: 16)! }
    }

    static func text(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
    }
}
