import Durable

/// Counts under each key, one operation at a time, whoever sends them and whatever crashes.
let counter = Entity("Counter", initial: 0)

let add = counter.operation("add") { (count: inout Int, amount: Int) -> Int in
    count += amount
    return count
}

let read = counter.operation("read") { (count: inout Int) in count }

struct Tally: Codable, Sendable {
    var keys: [String]
    var rounds: Int
}

/// Adds 1 to each counter, round after round: half of the time without waiting for it.
let tally = Orchestration("Tally") { (tally: Tally, context: OrchestrationContext) -> Int in
    for round in 0..<tally.rounds {
        for key in tally.keys {
            if round % 2 == 0 {
                context.signal(add, on: key, 1)
            } else {
                _ = try await context.call(add, on: key, 1)
            }
        }
        try await context.sleep(for: .milliseconds(20))
    }
    return tally.rounds * tally.keys.count
}

/// Reads the counters until they have what is expected, and says what they hold.
let audit = Orchestration("Audit") { (expected: [String: Int], context: OrchestrationContext) -> [String: Int] in
    var counts: [String: Int] = [:]
    while true {
        for key in expected.keys.sorted() { counts[key] = try await context.call(read, on: key) }
        // More would not go away either.
        if counts.allSatisfy({ key, count in count >= expected[key] ?? 0 }) { return counts }
        try await context.sleep(for: .milliseconds(200))
    }
}

@main struct CounterProgram {
    static func main() async { await Worker.main(add, read, tally, audit) }
}
