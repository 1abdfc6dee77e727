package import DurableCore
import DurableTask

/// An activity as a function of its input, its request's event ID and the number of the run, so that results can be
/// checked.
struct SimulatedActivity<Input: Codable & Sendable, Output: Codable & Sendable>: Sendable {
    let name: String
    let duration: @Sendable (Input) -> Duration
    /// The number counts the runs of a request from 1, over all workers.
    let function: @Sendable (Input, EventID, Int) throws -> Output

    init(
        _ name: String, taking duration: @escaping @Sendable (Input) -> Duration,
        _ function: @escaping @Sendable (Input, EventID, Int) throws -> Output
    ) {
        self.name = name
        self.duration = duration
        self.function = function
    }

    func activity(_ setting: ProgramSetting) -> Activity<Input, Output> {
        Activity(name) { input, context in
            let run = ActivityRun(
                instanceID: context.instanceID, executionID: context.executionID, taskID: context.taskID, name: name,
                deliveryCount: context.deliveryCount, number: setting.nextRun())
            let number = await setting.services.began(run)
            let duration = duration(input)
            await setting.services.work(for: setting.variant == .compatible ? duration / 2 : duration)
            let result = Result { try function(input, context.taskID, number) }
            await setting.services.ended(run)
            return try result.get()
        }
    }
}

/// The same without its types.
package struct AnySimulatedActivity: Sendable {
    package let name: String
    let registrable: @Sendable (ProgramSetting) -> any Registrable
    private let answer: @Sendable (Payload?, EventID, Int) -> Result<Payload?, FailureDetails>
    /// How long it takes in the original code.
    package let duration: @Sendable (Payload?) -> Duration

    init<Input, Output>(_ activity: SimulatedActivity<Input, Output>) {
        name = activity.name
        registrable = { activity.activity($0) }
        answer = { payload, id, run in
            do {
                let input = try PayloadCoding.decode(
                    Input.self, from: payload, as: #"the input of activity "\#(activity.name)""#)
                let output = try activity.function(input, id, run)
                return .success(
                    try PayloadCoding.encode(output, as: #"the result of activity "\#(activity.name)""#))
            } catch {
                return .failure(FailureDetails(describing: error))
            }
        }
        duration = { payload in
            let input = try? PayloadCoding.decode(Input.self, from: payload, as: "an input")
            return input.map(activity.duration) ?? .zero
        }
    }

    /// What a run with that input answers to a request of that ID.
    ///
    /// - Parameter run: Counts the runs of the request from 1.
    package func result(_ input: Payload?, _ id: EventID, run: Int = 1) -> Result<Payload?, FailureDetails> {
        answer(input, id, run)
    }

    /// What any run may answer.
    func results(_ input: Payload?, _ id: EventID) -> [Result<Payload?, FailureDetails>] {
        [answer(input, id, 1), answer(input, id, .max)]
    }
}

/// What orchestrations of the workload call.
package enum SimulatedActivities {
    package static let all: [AnySimulatedActivity] = [
        AnySimulatedActivity(echo), AnySimulatedActivity(add), AnySimulatedActivity(flaky),
        AnySimulatedActivity(broken),
    ]

    package static func named(_ name: String) -> AnySimulatedActivity? { all.first { $0.name == name } }

    static let echo = SimulatedActivity("Echo", taking: { .milliseconds($0.milliseconds) }) { (input: Echo, _, _) in
        input.text + filler(input.bytes)
    }

    static let add = SimulatedActivity("Add", taking: { .milliseconds($0.milliseconds) }) { (input: Sum, _, _) in
        input.value + input.step
    }

    static let flaky = SimulatedActivity("Flaky", taking: { .milliseconds($0.milliseconds) }) {
        (input: Attempt, id, run) in
        let succeeds =
            input.failures.map { run > $0 } ?? input.succeedsFrom.map { id.value >= $0 }
            ?? (input.number >= input.succeedsAt)
        if !succeeds { throw Declined(label: input.label, attempt: input.number) }
        return "\(input.label) done"
    }

    static let broken = SimulatedActivity("Broken", taking: { .milliseconds($0.milliseconds) }) {
        (input: Echo, _, _) -> String in
        throw failure(of: input.text)
    }

    /// What `broken` throws.
    static func failure(of text: String) -> FailureDetails {
        FailureDetails(errorType: "Broken", message: "cannot do \(text)", isNonRetryable: true)
    }

    struct Echo: Codable, Sendable {
        var text: String
        var milliseconds = 0
        /// What the answer has more than the text.
        var bytes = 0
    }

    struct Sum: Codable, Sendable {
        var value: Int
        var step: Int
        var milliseconds = 0
    }

    struct Attempt: Codable, Sendable {
        var label: String
        var number: Int
        var succeedsAt: Int
        var milliseconds = 0
        /// Event ID from which on a request succeeds, whatever its number; nil: the number decides.
        var succeedsFrom: Int?
        /// Runs of a request that fail before one succeeds; nil: all do the same.
        var failures: Int?
    }

    struct Declined: Error, CustomStringConvertible {
        var label: String
        var attempt: Int
        var description: String { "\(label) declined in attempt \(attempt)" }
    }
}

/// Text of that many bytes.
func filler(_ bytes: Int) -> String {
    let pattern = Array("the quick brown fox jumps over the lazy dog ".utf8)
    return String(decoding: (0..<bytes).map { pattern[$0 % pattern.count] }, as: UTF8.self)
}

extension OrchestrationContext {
    func call<Input, Output>(_ activity: SimulatedActivity<Input, Output>, _ input: Input) async throws -> Output {
        try await callActivity(activity.name, input, as: Output.self)
    }

    /// Has "Echo" say `text`.
    func echo(_ text: String, milliseconds: Int = 0) async throws -> String {
        try await call(SimulatedActivities.echo, .init(text: text, milliseconds: milliseconds))
    }
}
