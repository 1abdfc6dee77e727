import ArgumentParser
import DurableBench
import DurableCLI
import DurableSimulation

/// The command tree of `dtq` with what needs adapters of its own.
struct RootCommand: AsyncParsableCommand {
    static let configuration = {
        var configuration = DTQCommand.configuration
        configuration.subcommands = DTQCommand.standardSubcommands + [BenchCommand.self, SimulateCommand.self]
        return configuration
    }()
}
