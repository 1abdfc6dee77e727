public import DurableCore
package import DurableTask

/// When a schedule starts something: all times of its cron expressions and intervals, a time of several once.
public struct ScheduleSpecification: Codable, Hashable, Sendable {
    /// By the clocks of `timeZone`.
    public var cron: [CronExpression]
    /// Whatever clocks show.
    public var intervals: [ScheduleInterval]
    /// Whose clocks the cron expressions mean: a name of the IANA database, such as `Europe/Berlin`, or `UTC`.
    public var timeZone: String
    /// No time before it; nil: no limit.
    public var startAt: Timestamp?
    /// No time after it; nil: no limit. The schedule ends after its last one.
    public var endAt: Timestamp?

    /// A specification. What cannot be used, such as an unknown time zone, is found by `validate()`.
    public init(
        cron: [CronExpression] = [], intervals: [ScheduleInterval] = [], timeZone: String = "UTC",
        startAt: Timestamp? = nil, endAt: Timestamp? = nil
    ) {
        self.cron = cron
        self.intervals = intervals
        self.timeZone = timeZone
        self.startAt = startAt
        self.endAt = endAt
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        cron = try values.decodeIfPresent([CronExpression].self, forKey: .cron) ?? []
        intervals = try values.decodeIfPresent([ScheduleInterval].self, forKey: .intervals) ?? []
        timeZone = try values.decodeIfPresent(String.self, forKey: .timeZone) ?? "UTC"
        startAt = try values.decodeIfPresent(Timestamp.self, forKey: .startAt)
        endAt = try values.decodeIfPresent(Timestamp.self, forKey: .endAt)
    }

    /// - Throws: `InvalidSchedule`: neither a cron expression nor an interval, an interval that cannot be used, or a time
    ///   zone that this process does not know.
    public func validate() throws(InvalidSchedule) {
        try validateShape()
        _ = try WallClock(timeZone)
    }

    /// All but the time zone, on which machines may differ: what an orchestration may ask.
    func validateShape() throws(InvalidSchedule) {
        if cron.isEmpty && intervals.isEmpty {
            throw InvalidSchedule("a schedule needs a cron expression or an interval, and this one has neither")
        }
        for interval in intervals {
            if let defect = interval.defect { throw InvalidSchedule(defect) }
        }
    }

    /// The first time after `time`; what clock changes do is said at `CronExpression`.
    ///
    /// Zone data differ between machines and releases. So do not ask in an orchestration, whose replay elsewhere might
    /// get another answer.
    ///
    /// - Returns: nil: none any more (or none within 50 years).
    /// - Throws: As `validate()`.
    public func next(after time: Timestamp) throws(InvalidSchedule) -> Timestamp? {
        try validate()
        return next(after: time, on: try WallClock(timeZone))
    }

    func next(after time: Timestamp, on clock: WallClock) -> Timestamp? {
        var time = time
        if let startAt { time = max(time, startAt - .milliseconds(1)) }
        // Beyond these years there is nothing to compute with.
        guard (-62_000_000_000_000...250_000_000_000_000).contains(time.millisecondsSinceEpoch) else { return nil }
        let second = time.millisecondsSinceEpoch.flooredDivision(by: 1000)
        let byCron = cron.compactMap { $0.next(after: second, on: clock) }
            .map { Timestamp(millisecondsSinceEpoch: $0 * 1000) }
        let next = (byCron + intervals.map { $0.next(after: time) }).min()
        if let next, let endAt, next > endAt { return nil }
        return next
    }
}

/// Every so many seconds, whatever clocks and calendars show.
///
/// Written in JSON as `{"everySeconds": 3600, "phaseSeconds": 900}`, fractions to the millisecond.
public struct ScheduleInterval: Codable, Hashable, Sendable {
    /// 1 s to 100 years.
    public var every: Duration
    /// Times are those that many after a multiple of `every`, counted from 1970-01-01T00:00:00Z: an hour's with a phase
    /// of 15 minutes are at a quarter past. Less than `every`.
    public var phase: Duration

    /// An interval. One that cannot be used is found by `ScheduleSpecification.validate()`.
    public init(every: Duration, phase: Duration = .zero) {
        self.every = every
        self.phase = phase
    }

    private enum CodingKeys: String, CodingKey {
        case everySeconds, phaseSeconds
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        every = try values.decodeSeconds(forKey: .everySeconds)
        phase = values.contains(.phaseSeconds) ? try values.decodeSeconds(forKey: .phaseSeconds) : .zero
    }

    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(every.wholeMilliseconds.asSeconds, forKey: .everySeconds)
        if phase != .zero { try values.encode(phase.wholeMilliseconds.asSeconds, forKey: .phaseSeconds) }
    }

    var defect: String? {
        if !(.seconds(1)...Duration.seconds(100 * 366 * 86_400)).contains(every) {
            return "an interval is 1 s to 100 years, and this one is \(every)"
        }
        if phase < .zero || phase >= every {
            return "an interval's phase is 0 s or more and less than the interval (\(every)), and this one is \(phase)"
        }
        return nil
    }

    func next(after time: Timestamp) -> Timestamp {
        let (length, phase) = (every.wholeMilliseconds, phase.wholeMilliseconds)
        let count = (time.millisecondsSinceEpoch - phase).flooredDivision(by: length) + 1
        return Timestamp(millisecondsSinceEpoch: count * length + phase)
    }
}

/// A schedule that cannot be used; the text says why, and what is allowed.
public struct InvalidSchedule: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}

extension InvalidSchedule: DescribedPayloadError {}

extension Duration {
    /// Rounded towards zero; ends at 2^53, which a `Double` still holds.
    var wholeMilliseconds: Int64 {
        let limit: Int64 = 1 << 53
        let (seconds, attoseconds) = components
        guard abs(seconds) < limit / 1000 else { return seconds < 0 ? -limit : limit }
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }
}

extension Int64 {
    var asSeconds: Double { Double(self) / 1000 }
}

extension KeyedDecodingContainer {
    /// Reads seconds with a fraction, to the millisecond.
    func decodeSeconds(forKey key: Key) throws -> Duration {
        let seconds = try decode(Double.self, forKey: key)
        guard abs(seconds) < 9e12 else {
            throw DecodingError.dataCorruptedError(forKey: key, in: self, debugDescription: "too many seconds")
        }
        return .milliseconds(Int64((seconds * 1000).rounded()))
    }
}
