import ArgumentParser
import DurableClient
import DurableCore
import DurableJSON

/// Reports what became of a message to an instance.
enum MessageReport {
    /// - Throws: Exit code 3 when there is no such instance, 1 when it has ended.
    static func finish(
        _ submission: Submission, isJSON: Bool, _ client: HubClient, _ environment: CommandEnvironment
    ) throws {
        let report = SubmissionReport(submission: submission)
        if isJSON { environment.print(JSONValue.object(report.members).text) }
        switch submission.outcome {
        case .verdict(.notFound):
            if isJSON { throw ExitCode.notFound }
            throw client.notFound(submission.instanceID)
        case .verdict(.ended), .verdict(.unexpected):
            if !isJSON {
                environment.printError(
                    "Instance \(TerminalText.safe(submission.instanceID.value)) has ended before; nothing was changed.")
            }
            throw ExitCode.failure
        case .acceptedNoVerdict(let silence):
            if !isJSON {
                environment.print(report.line)
                environment.printError(silence.text)
            }
        case .verdict:
            if !isJSON { environment.print(report.line) }
        }
    }
}
