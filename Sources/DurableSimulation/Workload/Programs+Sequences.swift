import DurableCore
import DurableTask

extension Programs {
    /// One thing after the other.
    static let sequences: [Program] = [sequence, longLoop, mixedPayloads]

    struct Steps: Codable, Sendable {
        var count: Int
        var milliseconds: Int
        var bytes = 0
    }

    /// A few activities in a row, each with the answer of the one before.
    private static let sequence = Program("Sequence") { setting in
        [
            Orchestration("Sequence") { (steps: Steps, context: OrchestrationContext) -> String in
                var text = "start"
                if setting.diverges(context) {
                    text = try await context.callActivity("RenamedEcho", text, as: String.self)
                }
                for step in 0..<steps.count {
                    text = try await context.echo("\(text)>\(step)", milliseconds: steps.milliseconds)
                }
                return text
            }
        ]
    } plan: { draft in
        let steps = Steps(count: draft.int(1...10), milliseconds: draft.work())
        let output = (0..<steps.count).reduce("start") { "\($0)>\($1)" }
        draft.add("Sequence", input: json(steps), outcomes: [.completed(json(output))])
    }

    /// A history of some hundred events.
    private static let longLoop = Program("LongLoop") { _ in
        [
            Orchestration("LongLoop") { (steps: Steps, context: OrchestrationContext) -> Int in
                var sum = 0
                for step in 1...steps.count {
                    sum = try await context.call(
                        SimulatedActivities.add, .init(value: sum, step: step, milliseconds: steps.milliseconds))
                }
                return sum
            }
        ]
    } plan: { draft in
        let steps = Steps(
            count: draft.chance(0.1) ? draft.int(60...120) : draft.int(15...40), milliseconds: draft.int(0...20))
        draft.add(
            "LongLoop", input: json(steps), outcomes: [.completed(json(steps.count * (steps.count + 1) / 2))])
    }

    struct Parcel: Codable, Sendable {
        var filler: String
        var answers: [Int]
    }

    /// Inputs, answers and outputs from a few bytes to some 20 KB.
    private static let mixedPayloads = Program("MixedPayloads") { _ in
        [
            Orchestration("MixedPayloads") { (parcel: Parcel, context: OrchestrationContext) -> String in
                var last = parcel.filler
                for bytes in parcel.answers {
                    last = try await context.call(
                        SimulatedActivities.echo, .init(text: "\(last.utf8.count):", bytes: bytes))
                }
                return last
            }
        ]
    } plan: { draft in
        var sizes: [Int] = []
        for _ in 0...draft.int(1...4) { sizes.append([7, 300, 4_000, 20_000][draft.int(0...3)] + draft.int(0...99)) }
        let parcel = Parcel(filler: filler(sizes[0]), answers: Array(sizes.dropFirst()))
        let output = parcel.answers.reduce(parcel.filler) { "\($0.utf8.count):" + filler($1) }
        draft.add("MixedPayloads", input: json(parcel), outcomes: [.completed(json(output))])
    }
}
