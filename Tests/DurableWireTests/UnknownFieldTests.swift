import DurableCore
import DurableWire
import Testing

@Suite("Newer writers") struct UnknownFieldTests {
    /// Wraps one event's bytes as a history of format 1.
    static func blob(_ event: [UInt8]) -> [UInt8] { [0x08, 0x01, 0x12, UInt8(event.count)] + event }

    static let head = "08 01 12 0b \(FixtureTests.timeBytes)"

    @Test(
        "Unknown fields of an event survive, at its top and inside its kind",
        arguments: [
            // TaskScheduled with version (2), trace context (4) and a tag (5) of the public protocol.
            "\(head) 32 18 0a 01 4e 1a 03 0a 01 69 12 03 0a 01 37 22 03 0a 01 74 2a 04 0a 00 12 00",
            // The event itself with a string in field 100.
            "\(head) 72 00 a2 06 02 68 69",
            // ExecutionStarted: version (3) and a field of the instance inside the parent, trace state (3), span ID
            // (8).
            """
            \(head) 1a 33 0a 01 4e 22 08 0a 01 49 12 03 0a 01 58 2a 18 08 04 12 03 0a 01 50 1a 03 0a 01 76 22 0a 0a 01 \
            4a 12 03 0a 01 59 78 01 3a 08 0a 01 74 1a 03 0a 01 75 42 00
            """,
            // TaskFailed: properties (6) in the inner failure.
            "\(head) 42 13 08 05 12 0f 0a 01 45 22 0a 0a 01 43 32 05 0a 01 6b 12 00",
            // EventRaised with an unknown number inside, twice.
            "\(head) 8a 01 07 0a 01 4e 50 07 50 08",
            // GenericEvent: its data (1), beside a patch.
            "\(head) 92 01 09 c2 3e 01 70 0a 03 0a 01 64",
        ])
    func survives(_ hex: String) throws {
        let original = Self.blob(Hex.bytes(hex))
        let event = try #require(try HistoryCodec.decode(original).first)
        #expect(!event.unknownFields.isEmpty)
        let again = HistoryCodec.encode([event])
        #expect(again.count == original.count)
        // But for the format, which is newer with a patch.
        #expect(again.dropFirst(2).sorted() == original.dropFirst(2).sorted())
        #expect(try HistoryCodec.decode(again) == [event])

        // What this version knows may change meanwhile; what it does not know stays.
        var later = event
        later.timestamp = later.timestamp + .seconds(1)
        #expect(try HistoryCodec.decode(HistoryCodec.encode([later])) == [later])
        let message = Message(id: MessageID("m"), instanceID: InstanceID("a"), event: later)
        #expect(try MessageBatch(wire: MessageBatch(messages: [message]).wireBytes).messages == [message])
    }

    @Test("Unknown fields never turn an event into one of another kind")
    func staysItsKind() throws {
        var event = try #require(
            try HistoryCodec.decode(Self.blob(Hex.bytes("\(Self.head) 8a 01 05 0a 01 4e 50 07"))).first)
        event.kind = .orchestratorStarted
        let back = try #require(try HistoryCodec.decode(HistoryCodec.encode([event])).first)
        #expect(back.kind == .orchestratorStarted)
    }

    @Test("A kind this version does not know is undecodable, with its field's number")
    func unknownKind() {
        let event = Self.blob(Hex.bytes("\(Self.head) 9a 01 00"))
        let expected = WireError.undecodable("history event of a kind this version does not know (field 19)")
        #expect(throws: expected) { try HistoryCodec.decode(event) }
        let foreign = Self.blob(Hex.bytes("\(Self.head) 92 01 05 0a 03 0a 01 64"))
        #expect(throws: WireError.undecodable("GenericEvent: patch is missing")) { try HistoryCodec.decode(foreign) }
        let missing = Self.blob(Hex.bytes(Self.head))
        #expect(throws: WireError.undecodable("history event of a kind this version does not know (no kind at all)")) {
            try HistoryCodec.decode(missing)
        }
    }

    @Test("An unknown status, verdict or state is undecodable, with its number")
    func unknownEnumValues() {
        #expect(throws: WireError.undecodable("orchestration status 9 is not known to this version")) {
            try HistoryCodec.decode(Self.blob(Hex.bytes("\(Self.head) 22 02 08 09")))
        }
        #expect(throws: WireError.undecodable("verdict 99 is not known to this version")) {
            try Reply(wire: Hex.bytes("08 01 50 63"))
        }
        #expect(throws: WireError.undecodable("worker state 0 is not known to this version")) {
            try WorkerHeartbeat(wire: Hex.bytes("08 01"))
        }
    }

    @Test("A change that continues as new must say how") func missingSuccessor() {
        let change = InstanceChange(
            instanceID: InstanceID("i"), time: Samples.time,
            history: [
                HistoryEvent(
                    eventID: EventID(0), timestamp: Samples.time,
                    kind: .executionCompleted(status: .continuedAsNew, result: nil, failure: nil))
            ])
        let bytes = PartitionRecord.checkpoint(Checkpoint(time: Samples.time, changes: [change])).wireBytes
        #expect(
            throws: WireError.undecodable(
                "a change of instance i continues as new and has no start of what follows")
        ) { try PartitionRecord(wire: bytes) }
    }

    private let newestFormats: [String: UInt8] = [
        "JournalRecord": 2, "PartitionRecord": 4, "InstanceState": 4, "Events": 4, "Question": 2,
    ]

    @Test("A newer format is refused with both numbers, none at all as undecodable", arguments: TopLevel.all)
    func newerFormat(_ kind: TopLevel) {
        for sample in kind.samples {
            let newest: UInt8 = newestFormats[kind.name] ?? 1
            #expect(sample[0] == 0x08 && (1...newest).contains(sample[1]))
            #expect(throws: WireError.newerFormat(found: Int(newest) + 1, supported: Int(newest))) {
                try kind.recode([0x08, newest + 1] + sample.dropFirst(2))
            }
            #expect(throws: WireError.self) { try kind.recode(Array(sample.dropFirst(2))) }
        }
    }

    @Test("Fields of a newer minor version do not hinder reading", arguments: TopLevel.all)
    func newerFields(_ kind: TopLevel) throws {
        for sample in kind.samples {
            #expect(try kind.recode(sample + [0xa2, 0x3f, 0x02, 0x68, 0x69]) == sample)
        }
    }

    @Test("What is out of range is undecodable")
    func ranges() {
        let cases: [(String, @Sendable () throws -> Void)] = [
            ("partition 1024", { _ = try JournalRecord(wire: Hex.bytes("08 01 52 03 08 80 08")) }),
            ("reply partition", { _ = try Reply(wire: Hex.bytes("08 01 18 80 08 50 01")) }),
            (
                "negative limit",
                {
                    _ = try Question(wire: Hex.bytes("08 01 62 0b 18 ff ff ff ff ff ff ff ff ff 01"))
                }
            ),
            (
                "history after -2",
                {
                    _ = try Question(wire: Hex.bytes("08 01 5a 0b 10 fe ff ff ff ff ff ff ff ff 01"))
                }
            ),
            (
                "negative history count",
                {
                    _ = try InstanceState(wire: Hex.bytes("08 01 98 01 ff ff ff ff ff ff ff ff ff 01"))
                }
            ),
            ("instance ID that is not UTF-8", { _ = try Question(wire: Hex.bytes("08 01 52 03 0a 01 ff")) }),
            ("message without an event", { _ = try MessageBatch(wire: Hex.bytes("08 01 12 03 0a 01 61")) }),
            (
                "nanoseconds beyond a second",
                {
                    _ = try HistoryCodec.decode(Self.blob(Hex.bytes("12 06 10 80 94 eb dc 03 72 00")))
                }
            ),
            (
                "seconds beyond 64 bits of milliseconds",
                {
                    _ = try HistoryCodec.decode(Self.blob(Hex.bytes("12 0a 08 ff ff ff ff ff ff ff ff 7f 72 00")))
                }
            ),
            ("hub name", { _ = try HubDescriptor(wire: Hex.bytes("08 01 1a 01 2e 20 01 28 01 30 01")) }),
            ("partition count 0", { _ = try HubDescriptor(wire: Hex.bytes("08 01 1a 01 61 28 01 30 01")) }),
        ]
        for (name, decode) in cases {
            #expect(throws: WireError.self, "\(name)") { try decode() }
        }
    }
}
