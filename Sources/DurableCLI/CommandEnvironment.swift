package import DurableBackend
package import DurableCore

/// Everything a command takes from outside. The program `dtq` and the tests each make one; no command knows an adapter.
package struct CommandEnvironment: Sendable {
    /// Opens a transport to one broker, given the URLs of its nodes. Throws `TransportError`, or text for the user.
    package var makeTransport: @Sendable (_ brokerURLs: [String]) async throws -> any MessageTransport
    package var hubStorage: any HubStorage
    /// Makes copies of a hub's partitions in a directory.
    package var makeCopies: @Sendable (HubDescriptor, _ directory: String) throws(StoreError) -> any PartitionCopies
    package var clock: any EngineClock
    /// Gives unique IDs for messages, hubs and instances without one.
    package var makeID: @Sendable () -> String
    package var variables: [String: String]
    /// Absolute path that relative ones start from.
    package var workingDirectory: String
    package var terminal: Terminal
    package var writeOutput: @Sendable (String) -> Void
    package var writeError: @Sendable (String) -> Void
    /// Next bytes of standard input; nil at its end.
    package var readInput: @Sendable () async throws -> [UInt8]?
    package var readFile: @Sendable (_ path: String) async throws -> [UInt8]
    /// Body of a GET of the broker's management API; nil when it does not answer with 200.
    package var fetchManagement: @Sendable (ManagementRequest) async -> [UInt8]?

    /// Which of the three streams are terminals.
    package struct Terminal: Hashable, Sendable {
        package var isInput: Bool
        package var isOutput: Bool
        package var isError: Bool
        package init(isInput: Bool = false, isOutput: Bool = false, isError: Bool = false) {
            self.isInput = isInput
            self.isOutput = isOutput
            self.isError = isError
        }
    }

    package init(
        makeTransport: @escaping @Sendable ([String]) async throws -> any MessageTransport,
        hubStorage: any HubStorage,
        makeCopies: @escaping @Sendable (HubDescriptor, String) throws(StoreError) -> any PartitionCopies,
        clock: any EngineClock, makeID: @escaping @Sendable () -> String,
        variables: [String: String], workingDirectory: String, terminal: Terminal,
        writeOutput: @escaping @Sendable (String) -> Void, writeError: @escaping @Sendable (String) -> Void,
        readInput: @escaping @Sendable () async throws -> [UInt8]?,
        readFile: @escaping @Sendable (String) async throws -> [UInt8],
        fetchManagement: @escaping @Sendable (ManagementRequest) async -> [UInt8]? = { _ in nil }
    ) {
        self.makeTransport = makeTransport
        self.hubStorage = hubStorage
        self.makeCopies = makeCopies
        self.clock = clock
        self.makeID = makeID
        self.variables = variables
        self.workingDirectory = workingDirectory
        self.terminal = terminal
        self.writeOutput = writeOutput
        self.writeError = writeError
        self.readInput = readInput
        self.readFile = readFile
        self.fetchManagement = fetchManagement
    }

    @TaskLocal static var bound: CommandEnvironment?

    /// The one the running command was started with.
    package static var current: CommandEnvironment {
        guard let bound else { preconditionFailure("commands are run by CommandRunner, which binds an environment") }
        return bound
    }

    package func print(_ line: String) { writeOutput(line + "\n") }
    package func printError(_ line: String) { writeError(line + "\n") }

    /// Colors only where somebody looks and has not asked for none (https://no-color.org).
    var style: TerminalStyle {
        TerminalStyle(
            isColored: terminal.isOutput && (variables["NO_COLOR"] ?? "").isEmpty && variables["TERM"] != "dumb")
    }

    package func absolutePath(_ path: String) -> String {
        path.hasPrefix("/") ? path : workingDirectory + (workingDirectory.hasSuffix("/") ? "" : "/") + path
    }
}

/// One GET request. The address holds no credentials.
package struct ManagementRequest: Hashable, Sendable {
    package var address: String
    package var user: String
    package var password: String
    package init(address: String, user: String, password: String) {
        self.address = address
        self.user = user
        self.password = password
    }
}
