import DurableCore
import Testing

@Suite("Time stamps") struct TimestampTests {
    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (1_795_512_600_123, "2026-11-24T09:30:00.123Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"), (-62_167_219_200_001, "-000001-12-31T23:59:59.999Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"), (253_402_300_800_000, "+010000-01-01T00:00:00.000Z"),
            (.max, "+292278994-08-17T07:12:55.807Z"), (.min, "-292275055-05-16T16:47:04.192Z"),
        ] as [(Int64, String)])
    func writeAndReadISO8601(milliseconds: Int64, text: String) {
        let time = Timestamp(millisecondsSinceEpoch: milliseconds)
        #expect(time.description == text)
        #expect(Timestamp(iso8601: text) == time)
    }

    @Test(arguments: [
        ("2026-11-24T09:30:00+01:00", "2026-11-24T08:30:00.000Z"), ("2026-11-24T09:30Z", "2026-11-24T09:30:00.000Z"),
        ("2026-11-24 09:30:00.5Z", "2026-11-24T09:30:00.500Z"),
    ])
    func readOtherForms(text: String, expected: String) {
        #expect(Timestamp(iso8601: text)?.description == expected)
    }

    @Test(arguments: [
        "", "2026-11-24", "2026-13-24T00:00:00Z", "2026-02-30T00:00:00Z", "2026-11-24T25:00:00Z",
        "2026-11-24T09:30:00", "2026-11-24T09:30:00.Z", "2026-11-24T09:30:00Zx", "tomorrow",
        "+2026-11-24T00:00:00Z", "-000000-01-01T00:00:00Z", "+1000000000-01-01T00:00:00Z",
        "+292278994-08-17T07:12:55.808Z", "+-00001-01-01T00:00:00Z", "+", "-",
    ])
    func refuseWhatIsNoTime(text: String) {
        #expect(Timestamp(iso8601: text) == nil)
    }

    @Test func addDurationsRoundingUp() {
        let start = Timestamp(millisecondsSinceEpoch: 1000)
        #expect((start + .milliseconds(5)).millisecondsSinceEpoch == 1005)
        #expect((start + .microseconds(1)).millisecondsSinceEpoch == 1001)
        #expect((start - .seconds(2)).millisecondsSinceEpoch == -1000)
        #expect(start + .seconds(Int64.max) == .distantFuture)
        #expect((start + .seconds(3)).since(start) == .seconds(3))
    }
}
