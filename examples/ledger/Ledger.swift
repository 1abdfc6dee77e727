import Durable
import Foundation

/// What an entry needs to know.
struct Entry: Codable, Sendable {
    /// The ledger: an existing or new file on the workers' host.
    var file: String
    /// How long the work takes.
    var milliseconds: Int
    var label: String
}

struct Job: Codable, Sendable {
    var file: String
    var steps: Int
    var milliseconds: Int
}

/// Appends two lines per run to the ledger, when it begins and when it ends: `began` or `ended`, instance, task ID,
/// delivery count, worker's process ID, begin and end (milliseconds since 1970), label and idempotency key, separated by
/// tabs; a run that begins has no end. The honest witness of fault tests: a run that was repeated shows as a second pair
/// with the same key, one that was cut off has no end.
let append = Activity("AppendLine") { (entry: Entry, context: ActivityContext) async throws -> String in
    let began = Date()
    try record("began", entry, context, began: began)
    if entry.milliseconds > 0 { try await Task.sleep(for: .milliseconds(entry.milliseconds)) }
    try record("ended", entry, context, began: began)
    return entry.label
}

/// As `append`, but takes no notice of being cancelled.
let stubborn = Activity("AppendStubborn") { (entry: Entry, context: ActivityContext) async throws -> String in
    let began = Date()
    try record("began", entry, context, began: began)
    await withCheckedContinuation { done in
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(entry.milliseconds)) { done.resume() }
    }
    try record("ended", entry, context, began: began)
    return entry.label
}

/// One stubborn step.
let stubbornly = Orchestration("LedgerStubborn") { (job: Job, context: OrchestrationContext) -> Int in
    _ = try await context.callActivity(
        stubborn, Entry(file: job.file, milliseconds: job.milliseconds, label: "stubborn"))
    return 1
}

/// One step after the other.
let sequence = Orchestration("LedgerSequence") { (job: Job, context: OrchestrationContext) -> Int in
    for step in 0..<job.steps {
        _ = try await context.callActivity(
            append, Entry(file: job.file, milliseconds: job.milliseconds, label: "step-\(step)"))
    }
    return job.steps
}

/// All steps at once.
let fanOut = Orchestration("LedgerFanOut") { (job: Job, context: OrchestrationContext) -> Int in
    try await withThrowingTaskGroup(of: String.self) { group in
        for step in 0..<job.steps {
            group.addTask {
                try await context.callActivity(
                    append, Entry(file: job.file, milliseconds: job.milliseconds, label: "part-\(step)"))
            }
        }
        return try await group.reduce(into: 0) { count, _ in count += 1 }
    }
}

/// A step, a pause on a durable timer, a step, and so on.
let paced = Orchestration("LedgerPaced") { (job: Job, context: OrchestrationContext) -> Int in
    for step in 0..<job.steps {
        _ = try await context.callActivity(append, Entry(file: job.file, milliseconds: 0, label: "tick-\(step)"))
        try await context.sleep(for: .milliseconds(job.milliseconds))
    }
    return job.steps
}

struct Letters: Codable, Sendable {
    /// Instance that gets them.
    var to: String
    var count: Int
    /// Pause after each.
    var milliseconds: Int
}

/// Sends numbered events to an instance, one after the other.
let sender = Orchestration("LedgerSender") { (letters: Letters, context: OrchestrationContext) -> Int in
    for number in 0..<letters.count {
        context.raiseEvent(to: InstanceID(letters.to), "letter", number)
        try await context.sleep(for: .milliseconds(letters.milliseconds))
    }
    return letters.count
}

/// Waits for so many events, and gives back what they said.
let receiver = Orchestration("LedgerReceiver") { (count: Int, context: OrchestrationContext) -> [Int] in
    var numbers: [Int] = []
    for _ in 0..<count { numbers.append(try await context.waitForExternalEvent("letter", as: Int.self)) }
    return numbers
}

/// Ends its worker: what a trap in an orchestration's code does.
let fatal = Orchestration("LedgerFatal") { (context: OrchestrationContext) -> Int in
    fatalError("LedgerFatal ends its worker on purpose")
}

private func record(_ what: String, _ entry: Entry, _ context: ActivityContext, began: Date) throws {
    let fields = [
        what, context.instanceID.value, "\(context.taskID)", "\(context.deliveryCount)",
        "\(ProcessInfo.processInfo.processIdentifier)", milliseconds(began),
        what == "ended" ? milliseconds(Date()) : "", entry.label, context.idempotencyKey,
    ]
    try appendLine(fields.joined(separator: "\t") + "\n", to: entry.file)
}

private func milliseconds(_ date: Date) -> String { String(Int64(date.timeIntervalSince1970 * 1000)) }

/// One write call on a descriptor in append mode: lines of several processes do not mix.
private func appendLine(_ line: String, to path: String) throws {
    let descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT, 0o644)
    guard descriptor >= 0 else { throw LedgerError(path: path, reason: String(cString: strerror(errno))) }
    defer { close(descriptor) }
    let bytes = Array(line.utf8)
    guard write(descriptor, bytes, bytes.count) == bytes.count else {
        throw LedgerError(path: path, reason: String(cString: strerror(errno)))
    }
}

struct LedgerError: Error, CustomStringConvertible {
    var path: String
    var reason: String
    var description: String { "cannot append to \(path): \(reason)" }
}

@main struct Ledger {
    static func main() async {
        await Worker.main(append, stubborn, sequence, fanOut, paced, stubbornly, sender, receiver, fatal)
    }
}
