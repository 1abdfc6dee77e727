import DurableCore
import DurableTask

extension Programs {
    /// What replay must give again.
    static let values: [Program] = [recordedValues, customStatus]

    struct Values: Codable, Sendable {
        /// As text: JSON readers differ in what they make of large numbers.
        var numbers: [String]
        var uuids: [String]
        /// The times read are those an activity was told, and stand apart by the pause between them.
        var isTimeSound: Bool
    }

    /// Random numbers, UUIDs and times, drawn before and after waits.
    private static let recordedValues = Program("RecordedValues") { _ in
        [
            Orchestration("RecordedValues") { (count: Int, context: OrchestrationContext) -> Values in
                var values = Values(numbers: [], uuids: [], isTimeSound: true)
                var generator = context.randomNumberGenerator
                for _ in 0..<count {
                    let before = context.now
                    values.numbers.append("\(generator.next())")
                    if try await context.echo("\(before)") != "\(before)" { values.isTimeSound = false }
                    values.uuids.append("\(context.newUUID())")
                    try await context.sleep(for: .milliseconds(200))
                    if context.now.since(before) < .milliseconds(200) { values.isTimeSound = false }
                }
                return values
            }
        ]
    } plan: { draft in
        let count = draft.int(1...4)
        let id = draft.newID("values")
        let (index, _) = draft.add("RecordedValues", id: id, input: json(count), outcomes: [])
        let execution = draft.instances[index].startID
        let values = Values(
            numbers: numbers("random", id, execution, count).map { "\($0)" },
            uuids: zip(numbers("uuid-high", id, execution, count), numbers("uuid-low", id, execution, count))
                .map(uuidText),
            isTimeSound: true)
        draft.permit([.completed(json(values))], of: index)
    }

    /// The series an execution has for ever, computed apart from the code that gives it.
    private static func numbers(
        _ series: String, _ id: InstanceID, _ execution: MessageID, _ count: Int
    ) -> [UInt64] {
        var generator = SeededGenerator(seed: FNV1a.hash("\(series)/\(id)/\(execution)".utf8))
        return (0..<count).map { _ in generator.next() }
    }

    private static func uuidText(high: UInt64, low: UInt64) -> String {
        func hexadecimal(_ value: UInt64) -> String {
            let digits = String(value, radix: 16, uppercase: true)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }
        let all = Array(hexadecimal(high & ~0xF000 | 0x8000) + hexadecimal(low & ~(0b11 << 62) | 0b10 << 62))
        return [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(all[$0]) }.joined(separator: "-")
    }

    /// Says how far it is; the last word stays.
    private static let customStatus = Program("CustomStatus") { _ in
        [
            Orchestration("CustomStatus") { (steps: Steps, context: OrchestrationContext) -> String in
                for step in 0..<steps.count {
                    context.setCustomStatus("at \(step)")
                    context.setCustomStatus(["step": step, "of": steps.count])
                    _ = try await context.echo("step \(step)", milliseconds: steps.milliseconds)
                }
                context.setCustomStatus("done")
                return "all \(steps.count)"
            }
        ]
    } plan: { draft in
        let steps = Steps(count: draft.int(1...5), milliseconds: draft.work())
        draft.add("CustomStatus", input: json(steps), outcomes: [.completed(json("all \(steps.count)"))])
    }
}
