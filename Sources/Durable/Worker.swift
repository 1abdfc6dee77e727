import ArgumentParser
import DurableClient
public import DurablePayloads
public import DurableTask
import Foundation

/// A worker process: what a program of yours hands control to.
///
/// ```swift
/// @main struct HelloCities {
///     static func main() async {
///         await Worker.main(sayHello, helloCities)
///     }
/// }
/// ```
///
/// Options and `DTQ_*` environment variables say which broker and hub, and how much to do; `--help` lists them. The
/// process runs until SIGTERM or SIGINT, finishes what it has in hand, prints a receipt (one JSON line on standard
/// output), and exits 0. A second signal ends it at once (exit 75). Kill it at any moment: nothing is lost.
///
/// The same program with `replay-check` says whether its code fits the histories of a hub, before it is deployed.
public enum Worker {
    /// Parses the command line, runs the worker (or what it was asked for instead), and ends the process: 0 done, 1
    /// failed, 2 wrong usage.
    ///
    /// - Parameters:
    ///   - items: Activities and orchestrations; two of one kind must not share a name.
    ///   - payloads: How payloads are written and read; nil: as `PayloadOptions.environment()` says.
    public static func main(_ items: any Registrable..., payloads: PayloadOptions? = nil) async -> Never {
        do {
            var registry = Registry()
            for item in items { try item.register(in: &registry) }
            func options() throws -> PayloadOptions { try payloads ?? PayloadOptions.environment() }
            switch try WorkerCommand.parseAsRoot() {
            case let command as WorkerCommand: try await command.run(registry, options())
            case let command as ReplayCheckCommand: if try await !command.run(registry, options()) { exit(1) }
            case var command: try command.run()
            }
            exit(0)
        } catch {
            end(error)
        }
    }

    private static func end(_ error: any Error) -> Never {
        switch error {
        case let error as ClientError:
            write("\(error)")
            exit(error.code == .wrongArgument ? 2 : 1)
        case is Failure, is RegistryError, is PayloadKeysError:
            write("\(error)")
            exit(1)
        default:
            let code = WorkerCommand.exitCode(for: error)
            // Help and version are results, not errors.
            if code.isSuccess { WorkerCommand.exit(withError: error) }
            write(WorkerCommand.fullMessage(for: error))
            exit(code == .validationFailure ? 2 : 1)
        }
    }

    private static func write(_ text: String) {
        FileHandle.standardError.write(Data((text + "\n").utf8))
    }

    /// A text for standard error; the process exits with 1.
    struct Failure: Error, CustomStringConvertible {
        var description: String
        init(_ description: String) { self.description = description }
    }
}
