import Durable
import Foundation

struct Watch: Codable, Sendable {
    /// Of the service's health: a file whose first word is `up` or `down`; none counts as down.
    var file: String
    var intervalMilliseconds: Int
    /// So far, by all executions.
    var looks: Int
    /// How often it was up at the last looks in a row.
    var upInARow: Int
}

let isUp = Activity("IsUp") { (file: String, _: ActivityContext) -> Bool in
    guard let text = try? String(contentsOfFile: file, encoding: .utf8) else { return false }
    return text.split(whereSeparator: \.isWhitespace).first == "up"
}

/// Looks at a service again and again, for as long as it takes, until it was up three times in a row. Every ten looks it
/// continues as new, so that its history stays short however long that is.
let monitor = Orchestration("Monitor") { (watch: Watch, context: OrchestrationContext) -> Int in
    var next = watch
    for _ in 0..<10 {
        let up = try await context.callActivity(
            isUp, watch.file, retry: RetryPolicy(maximumAttempts: 3, firstInterval: .seconds(1)))
        next.looks += 1
        next.upInARow = up ? next.upInARow + 1 : 0
        context.setCustomStatus("up \(next.upInARow) times in a row after \(next.looks) looks")
        if next.upInARow == 3 { return next.looks }
        try await context.sleep(for: .milliseconds(watch.intervalMilliseconds))
    }
    try context.continueAsNew(next)
}

@main struct MonitorProgram {
    static func main() async {
        await Worker.main(isUp, monitor)
    }
}
