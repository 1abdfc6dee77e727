package import ArgumentParser
import DurableClient

/// Runs one command line: parses, executes, and turns whatever happens into text and an exit code.
package enum CommandRunner {
    /// - Parameter root: The command tree; `DTQCommand` or a program's own.
    /// - Returns: 0 done, 1 failed, 2 wrong usage, 3 not found.
    package static func run(
        _ root: any ParsableCommand.Type = DTQCommand.self, arguments: [String], environment: CommandEnvironment
    ) async -> Int32 {
        await CommandEnvironment.$bound.withValue(environment) {
            do {
                var command = try root.parseAsRoot(arguments)
                if var asynchronous = command as? any AsyncParsableCommand {
                    try await asynchronous.run()
                } else {
                    try command.run()
                }
                return 0
            } catch {
                return report(error, of: root, environment)
            }
        }
    }

    private static func report(
        _ error: any Error, of root: any ParsableCommand.Type, _ environment: CommandEnvironment
    ) -> Int32 {
        switch error {
        case let code as ExitCode:
            return code.rawValue
        case let error as ClientError:
            environment.printError(error.description)
            return exitCode(for: error.code)
        case is CancellationError:
            environment.printError("Canceled. What the broker had confirmed stays accepted.")
            return 1
        default:
            let text = root.fullMessage(for: error)
            switch root.exitCode(for: error) {
            case .success:
                environment.print(text)
                return 0
            case .validationFailure:
                environment.printError(text)
                return 2
            default:
                environment.printError(Redaction.apply(to: text))
                return 1
            }
        }
    }

    private static func exitCode(for code: ClientError.Code) -> Int32 {
        switch code {
        case .hubNotFound, .instanceNotFound: 3
        case .wrongArgument: 2
        default: 1
        }
    }
}

extension ExitCode {
    static let notFound = ExitCode(3)
}

extension ClientError {
    /// What the user gave cannot be used; nothing was done.
    static func usage(_ text: String) -> ClientError { ClientError(.wrongArgument, text + " Nothing was done.") }
}
