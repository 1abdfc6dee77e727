import DurableAMQP
import DurableBackend
import DurableCLI
import DurableClient
import DurableSQLite
import Foundation
import Logging

/// `dtq`: picks the adapters, hands over to the command tree.
@main struct Program {
    static func main() async {
        let variables = ProcessInfo.processInfo.environment
        let logger = makeLogger(level: variables["DTQ_LOG"])
        let environment = CommandEnvironment(
            makeTransport: { urls in
                do throws(AMQPURLError) {
                    var configuration = try AMQPConfiguration(urls: urls, connectionName: "dtq command line")
                    // Somebody waits at the terminal.
                    configuration.connectionWait = .seconds(5)
                    return AMQPTransport(configuration: configuration, logger: logger)
                } catch {
                    throw ClientError(.wrongArgument, "--broker (DTQ_BROKER): \(error). Nothing was done.")
                }
            },
            hubStorage: SQLiteHubStorage(),
            makeCopies: { descriptor, directory throws(StoreError) in
                try SQLiteCopies(descriptor: descriptor, directory: directory)
            },
            clock: SystemClock(), makeID: RandomID.make, variables: variables,
            workingDirectory: FileManager.default.currentDirectoryPath, terminal: StandardStreams.terminal,
            writeOutput: { StandardStreams.write($0, to: 1) }, writeError: { StandardStreams.write($0, to: 2) },
            readInput: StandardStreams.read,
            readFile: { path in Array(try Data(contentsOf: URL(fileURLWithPath: path))) },
            fetchManagement: HTTP.get)
        let arguments = Array(CommandLine.arguments.dropFirst())
        exit(await CommandRunner.run(RootCommand.self, arguments: arguments, environment: environment))
    }

    /// Silent unless `DTQ_LOG` names a level: commands report what failed themselves.
    private static func makeLogger(level: String?) -> Logger {
        guard let level = level.flatMap(Logger.Level.init(rawValue:)) else {
            return Logger(label: "dtq") { _ in SwiftLogNoOpLogHandler() }
        }
        var logger = Logger(label: "dtq") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = level
        return logger
    }
}
