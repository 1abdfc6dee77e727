public import ArgumentParser
public import DurableCore

/// What a start does where there is an instance of its ID.
struct IDReuseOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "If an instance of that ID runs: refuse, use-existing (start nothing, exit code 0) or terminate.",
            valueName: "choice"))
    var ifRunning = IDReuse.Running.refuse

    @Option(
        help: ArgumentHelp(
            "If an instance of that ID has ended: refuse, allow or allow-unless-completed.", valueName: "choice"))
    var ifEnded = IDReuse.Ended.refuse

    var value: IDReuse { IDReuse(running: ifRunning, ended: ifEnded) }
}

extension IDReuse.Running: ExpressibleByArgument {}
extension IDReuse.Ended: ExpressibleByArgument {}
