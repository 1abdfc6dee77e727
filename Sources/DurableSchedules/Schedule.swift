public import DurableCore
public import DurableTask

/// What a schedule does: when, what it starts, and what becomes of times that cannot be kept.
///
/// ```swift
/// var nightly = ScheduleSpecification(cron: [try CronExpression("30 2 * * *")], timeZone: "Europe/Berlin")
/// try await client.createSchedule("nightly", try Schedule(nightly, starting: report, input: "all", overlap: .bufferOne))
/// ```
public struct Schedule: Codable, Hashable, Sendable {
    /// When.
    public var specification: ScheduleSpecification
    /// What is started at each of these times.
    public var action: ScheduleAction
    /// What becomes of a time that comes while an earlier run goes on.
    public var overlap: ScheduleOverlapPolicy
    /// A time that nobody saw when it came, since no worker ran (or the schedule was suspended), is made up for when it
    /// is seen, up to that much later; older ones are counted as missed. Waiting for a run that goes on is no delay.
    ///
    /// 10 s or more, since every time is seen a little late; in JSON `catchUpWindowSeconds`.
    public var catchUpWindow: Duration
    /// Whether times pass without a start. They are not made up for; a backfill does that.
    public var isPaused: Bool
    /// For people: why it is paused, for instance.
    public var note: String?

    /// A schedule of an action. `validate()` finds what cannot be used.
    public init(
        _ specification: ScheduleSpecification, _ action: ScheduleAction, overlap: ScheduleOverlapPolicy = .skip,
        catchUpWindow: Duration = .seconds(86_400), isPaused: Bool = false, note: String? = nil
    ) {
        self.specification = specification
        self.action = action
        self.overlap = overlap
        self.catchUpWindow = catchUpWindow
        self.isPaused = isPaused
        self.note = note
    }

    /// A schedule that starts instances of `orchestration`, each with the same input.
    ///
    /// - Throws: The input cannot be encoded.
    public init<Input, Output>(
        _ specification: ScheduleSpecification, starting orchestration: Orchestration<Input, Output>, input: Input,
        version: String? = nil, overlap: ScheduleOverlapPolicy = .skip, catchUpWindow: Duration = .seconds(86_400)
    ) throws {
        let action = try ScheduleAction(orchestration.name, input: input, version: version)
        self.init(specification, action, overlap: overlap, catchUpWindow: catchUpWindow)
    }

    /// A schedule that starts instances of an orchestration that takes no input.
    public init<Output>(
        _ specification: ScheduleSpecification, starting orchestration: Orchestration<NoValue, Output>,
        version: String? = nil, overlap: ScheduleOverlapPolicy = .skip, catchUpWindow: Duration = .seconds(86_400)
    ) {
        let action = ScheduleAction(orchestration.name, version: version)
        self.init(specification, action, overlap: overlap, catchUpWindow: catchUpWindow)
    }

    static let shortestWindow = Duration.seconds(10)

    /// - Throws: `InvalidSchedule`: the specification cannot be used, no orchestration is named, or the window is too short.
    public func validate() throws(InvalidSchedule) {
        try specification.validate()
        try validateShape()
    }

    /// All but the time zone, on which machines may differ: what an orchestration may ask.
    func validateShape() throws(InvalidSchedule) {
        try specification.validateShape()
        if action.orchestration.isEmpty { throw InvalidSchedule("a schedule's action has to name an orchestration") }
        if catchUpWindow < Self.shortestWindow {
            throw InvalidSchedule(
                "a catch-up window is \(Self.shortestWindow) or more, since every time is seen a little late, and this "
                    + "one is \(catchUpWindow)")
        }
    }

    private enum CodingKeys: String, CodingKey {
        case specification, action, overlap, catchUpWindowSeconds, isPaused, note
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            try values.decode(ScheduleSpecification.self, forKey: .specification),
            try values.decode(ScheduleAction.self, forKey: .action))
        overlap = try values.decodeIfPresent(ScheduleOverlapPolicy.self, forKey: .overlap) ?? overlap
        if values.contains(.catchUpWindowSeconds) {
            catchUpWindow = try values.decodeSeconds(forKey: .catchUpWindowSeconds)
        }
        isPaused = try values.decodeIfPresent(Bool.self, forKey: .isPaused) ?? false
        note = try values.decodeIfPresent(String.self, forKey: .note)
    }

    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(specification, forKey: .specification)
        try values.encode(action, forKey: .action)
        try values.encode(overlap, forKey: .overlap)
        try values.encode(catchUpWindow.wholeMilliseconds.asSeconds, forKey: .catchUpWindowSeconds)
        try values.encode(isPaused, forKey: .isPaused)
        try values.encodeIfPresent(note, forKey: .note)
    }
}

/// What a schedule starts.
public struct ScheduleAction: Codable, Hashable, Sendable {
    /// Name of an orchestration.
    public var orchestration: String
    /// Of each instance; nil: none.
    public var version: String?
    private var input: JSONInput?

    /// Starts instances of the orchestration of that name, each with the same input.
    ///
    /// - Throws: The input cannot be encoded.
    public init(_ orchestration: String, input: some Encodable & Sendable, version: String? = nil) throws {
        self.init(orchestration, version: version)
        self.input = try JSONInput(encoding: input, of: orchestration)
    }

    /// Starts instances of the orchestration of that name, without input.
    public init(_ orchestration: String, version: String? = nil) {
        self.orchestration = orchestration
        self.version = version
    }

    /// nil: none.
    var payload: JSONInput? { input }
}

/// What becomes of a time that comes while the run of an earlier one still goes on. Names are Temporal's.
///
/// A run goes on until the schedule hears of its end; runs that `allowAll` started are not followed.
public enum ScheduleOverlapPolicy: String, Codable, Hashable, Sendable, CaseIterable {
    /// It is left out.
    case skip
    /// The first such time is started when the run has ended, the others are left out.
    case bufferOne
    /// All are started, one after the other.
    case bufferAll
    /// It is started beside the run.
    case allowAll
}
