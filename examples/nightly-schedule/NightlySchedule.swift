import Durable
import Foundation

struct Report: Codable, Sendable {
    /// To be added to, a line a night.
    var file: String
}

struct ReportPart: Codable, Sendable {
    var file: String
    var night: Timestamp
}

/// May run twice for a night, so the line says which night it is for.
let writeReport = Activity("WriteReport") { (part: ReportPart, _: ActivityContext) in
    let line = Data("\(part.night)\n".utf8)
    guard let handle = FileHandle(forWritingAtPath: part.file) else { throw CocoaError(.fileNoSuchFile) }
    defer { try? handle.close() }
    try handle.seekToEnd()
    try handle.write(contentsOf: line)
}

/// Started by a schedule, for the time it is due, however late it runs.
let report = Orchestration("NightlyReport") { (report: Report, context: OrchestrationContext) in
    let night = context.scheduledTime ?? context.now
    try await context.callActivity(
        writeReport, ReportPart(file: report.file, night: night),
        retry: RetryPolicy(maximumAttempts: 5, firstInterval: .seconds(1)))
}

/// Every night at half past two in Berlin, none twice and none left out where clocks change; nights that were missed while
/// no worker ran are made up for within three days, one after the other.
func nightly(_ input: Report) throws -> Schedule {
    let nights = ScheduleSpecification(cron: [try CronExpression("30 2 * * *")], timeZone: "Europe/Berlin")
    return try Schedule(
        nights, starting: report, input: input, overlap: .bufferAll, catchUpWindow: .seconds(3 * 86_400))
}

@main struct NightlyScheduleProgram {
    static func main() async {
        await Worker.main(writeReport, report, Schedules())
    }
}
