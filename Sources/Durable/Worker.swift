import ArgumentParser
public import DurableTask

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
public enum Worker {
    /// Parses the command line, runs the worker, and ends the process.
    ///
    /// - Parameter items: Activities and orchestrations; two of one kind must not share a name.
    public static func main(_ items: any Registrable...) async -> Never {
        var registry = Registry()
        do {
            for item in items { try item.register(in: &registry) }
        } catch {
            WorkerCommand.exit(withError: Failure(error.message))
        }
        do {
            let command = try WorkerCommand.parse()
            try await command.run(registry)
            WorkerCommand.exit()
        } catch {
            WorkerCommand.exit(withError: error)
        }
    }

    /// A text for standard error; the process exits with 1.
    struct Failure: Error, CustomStringConvertible {
        var description: String
        init(_ description: String) { self.description = description }
    }
}
