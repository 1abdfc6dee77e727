package import ArgumentParser

/// The whole command tree of `dtq`.
package struct DTQCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "dtq",
        abstract: "Durable execution on RabbitMQ: submit orchestrations, watch them, look after hubs.",
        discussion: """
            A first round, with a worker program such as examples/hello-cities running:

              dtq hub create
              dtq submit HelloCities --input '["Oslo","Lima"]' --wait
              dtq queues --watch

            DTQ_BROKER and DTQ_HUB say which broker and hub are meant; --broker and --hub override them.
            Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 failed, \
            2 wrong usage, 3 not found.
            Shell completions: dtq --generate-completion-script bash|zsh|fish.
            """,
        version: "0.1.0",
        subcommands: standardSubcommands)

    /// For a program that adds commands of its own.
    package static let standardSubcommands: [any ParsableCommand.Type] = [
        HubCommand.self, SubmitCommand.self, StatusCommand.self, WaitCommand.self, ListCommand.self,
        HistoryCommand.self, RaiseCommand.self, QueryCommand.self, UpdateCommand.self, EntityCommand.self,
        SuspendCommand.self, ResumeCommand.self, ReleaseCommand.self, CancelCommand.self, TerminateCommand.self,
        RewindCommand.self, RestartCommand.self, PurgeCommand.self,
        BulkCommand.self, QueuesCommand.self, WorkersCommand.self, DrainCommand.self,
        DeadCommand.self, DoctorCommand.self,
    ]

    package init() {}
}
