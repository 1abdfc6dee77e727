import Durable
import Foundation

struct Numbers: Codable, Sendable {
    var count: Int
}

struct WrongSum: NonRetryableError {
    var sum: Int
}

let square = Activity("Square") { (number: Int, _: ActivityContext) -> Int in number * number }

/// Squares all numbers at once, in one activity each, and adds up what comes in, in whatever order.
let fanOut = Orchestration("FanOut") { (numbers: Numbers, context: OrchestrationContext) -> Int in
    let sum = try await withThrowingTaskGroup(of: Int.self) { group in
        for number in 1...numbers.count {
            group.addTask { try await context.callActivity(square, number) }
        }
        return try await group.reduce(0, +)
    }
    return try checked(sum, numbers)
}

/// The same one after the other: a history of three events for each.
let oneByOne = Orchestration("OneByOne") { (numbers: Numbers, context: OrchestrationContext) -> Int in
    var sum = 0
    for number in 1...numbers.count { sum += try await context.callActivity(square, number) }
    return try checked(sum, numbers)
}

func checked(_ sum: Int, _ numbers: Numbers) throws -> Int {
    let count = numbers.count
    guard sum == count * (count + 1) * (2 * count + 1) / 6 else { throw WrongSum(sum: sum) }
    return sum
}

@main struct FanOutProgram {
    static func main() async {
        await Worker.main(square, fanOut, oneByOne)
    }
}
