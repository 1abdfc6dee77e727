import ArgumentParser
import DurableBackend
import DurableClient
import DurableCore
import DurableJSON

struct BulkCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bulk", abstract: "Suspend, resume, cancel, terminate, rewind, release or purge many instances.",
        discussion: """
            Takes the options of list. Of those that fit, the ones are meant that the action can change: open ones to \
            suspend, cancel or terminate, suspended ones to resume, held ones to release, failed ones to rewind, those that \
            have ended to purge. They are listed first, then asked \
            about, then sent for, 32 at a time; what is created meanwhile is not meant. It is safe to repeat.

              dtq bulk terminate --name ShipOrder --from 2h --dry-run
              dtq bulk terminate --name ShipOrder --from 2h --reason "wrong prices" --yes
              dtq bulk suspend --prefix eu- && dtq bulk resume --prefix eu-
              dtq bulk purge --tag customer=acme --dry-run

            Exit codes: 0 all accepted (or nothing fits, or --dry-run), 1 some failed, or not confirmed, 2 wrong usage, \
            3 no such hub.
            """)

    enum Action: String, ExpressibleByArgument, CaseIterable {
        case suspend, resume, cancel, terminate, rewind, release, purge
    }

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var confirmation: ConfirmationOptions

    @Argument(help: "suspend, resume, cancel, terminate, rewind, release or purge.")
    var action: Action

    @OptionGroup var filter: FilterOptions

    @Option(help: ArgumentHelp("Why, kept in the histories; not for release and purge.", valueName: "text"))
    var reason: String?

    @Flag(
        inversion: .prefixedNo,
        help:
            "Of sub-orchestrations: terminate ends those they wait for (the default there), purge removes those they called."
    )
    var recurse: Bool?

    @Flag(help: "Show which instances are meant, and do nothing.")
    var dryRun = false

    mutating func validate() throws {
        if reason != nil, !action.takesReason {
            throw ValidationError("bulk \(action.rawValue) takes no --reason: it would be kept nowhere.")
        }
        if let recurse, !action.takesRecursion {
            throw ValidationError(
                "bulk \(action.rawValue) takes no --\(recurse ? "" : "no-")recurse: terminate and purge do.")
        }
    }

    mutating func run() async throws {
        let environment = CommandEnvironment.current
        let recurse = recurse ?? (action == .terminate)
        let (action, isDryRun, isJSON, confirmation) = (action, dryRun, output.json, confirmation)
        let reason = reason.map { Payload(JSONValue.string($0).text) }
        var filter = try filter.filter(at: environment.clock.now())
        if filter.statuses.isEmpty { filter.statuses = action.statuses }
        let fitting = filter
        try await connection.withClient(environment) { client in
            let instances = try await Self.instances(client, fitting).filter(action.isMeant)
            if isDryRun || instances.isEmpty {
                return Self.show(instances, action, isJSON: isJSON, environment)
            }
            try await confirmation.confirm(
                "This \(action.verb) \(HumanText.count(instances.count, "instance")) of hub \"\(client.hub)\".",
                expecting: "yes", environment)
            if action == .purge, !recurse {
                return try await Self.purge(instances.map(\.id), client, isJSON: isJSON, environment)
            }
            let results = try await Self.act(on: instances.map(\.id)) { id in
                switch action {
                case .suspend: return Result(try await client.suspend(id, reason: reason))
                case .resume: return Result(try await client.resume(id, reason: reason))
                case .cancel: return Result(try await client.cancel(id, reason: reason))
                case .terminate: return Result(try await client.terminate(id, reason: reason, recurse: recurse))
                case .rewind: return Result(try await client.rewind(id, reason: reason))
                case .release:
                    if case .some(.some) = try await client.release(id) { return .accepted }
                    return .tooLate
                case .purge:
                    do {
                        return try await client.purge(id, recursive: recurse) == nil ? .tooLate : .accepted
                    } catch let error as ClientError where error.code == .instanceNotEnded {
                        return .tooLate
                    }
                }
            }
            for (id, result) in results {
                guard case .failed(let text) = result else { continue }
                environment.printError("\(TerminalText.safe(id.value)): \(TerminalText.safe(text))")
            }
            let summary = Summary(results.map(\.1))
            environment.print(isJSON ? summary.json.text : summary.text)
            if summary.failed > 0 { throw ExitCode.failure }
        }
    }

    /// Many at a time: nothing but they themselves goes.
    private static func purge(
        _ ids: [InstanceID], _ client: HubClient, isJSON: Bool, _ environment: CommandEnvironment
    ) async throws {
        let result = try await client.purge(ids)
        if let failure = result.failure { environment.printError(failure.description) }
        let summary = Summary(
            matched: ids.count, accepted: result.purged.instances,
            tooLate: result.purged.running.count + result.purged.missing.count, failed: result.untoldCount)
        environment.print(isJSON ? summary.json.text : summary.text)
        if summary.failed > 0 { throw ExitCode.failure }
    }

    private static func instances(_ client: HubClient, _ filter: ListFilter) async throws -> [InstanceSnapshot] {
        var instances: [InstanceSnapshot] = []
        var cursor: ListCursor?
        repeat {
            let page = try await client.list(filter, after: cursor, limit: 1000)
            instances += page.instances
            cursor = page.next
        } while cursor != nil
        return instances
    }

    private static func show(
        _ instances: [InstanceSnapshot], _ action: Action, isJSON: Bool, _ environment: CommandEnvironment
    ) {
        if isJSON {
            let json: JSONValue = [
                "matched": .integer(instances.count), "ids": .array(instances.map { .string($0.id.value) }),
            ]
            return environment.print(json.text)
        }
        for instance in instances { environment.print(TerminalText.safe(instance.id.value)) }
        environment.printError(
            instances.isEmpty
                ? "No instance fits that could be \(action.participle)."
                : "\(HumanText.count(instances.count, "instance")) would be \(action.participle). Nothing was done.")
    }

    /// In order of `ids`, 32 at a time.
    private static func act(
        on ids: [InstanceID], _ body: @escaping @Sendable (InstanceID) async throws -> Result
    ) async throws -> [(InstanceID, Result)] {
        var results: [Int: Result] = [:]  // look-up only
        await withTaskGroup(of: (Int, Result).self) { group in
            for (index, id) in ids.enumerated() {
                if index >= 32, let (index, result) = await group.next() { results[index] = result }
                group.addTask {
                    do {
                        return (index, try await body(id))
                    } catch {
                        return (index, .failed("\(error)"))
                    }
                }
            }
            for await (index, result) in group { results[index] = result }
        }
        return ids.enumerated().map { ($0.element, results[$0.offset] ?? .failed("not tried")) }
    }

    /// What became of one instance.
    enum Result: Sendable {
        case accepted
        /// Its owner has not answered yet.
        case unanswered
        /// It had ended, or was not what it was when it was listed.
        case tooLate
        case failed(String)

        init(_ submission: Submission) {
            switch submission.outcome {
            case .acceptedNoVerdict: self = .unanswered
            case .verdict(.ended), .verdict(.unexpected), .verdict(.notFound), .verdict(.notFailed): self = .tooLate
            case .verdict(.notRewindable): self = .failed("its code asked for something in the step in which it failed")
            case .verdict: self = .accepted
            }
        }
    }

    struct Summary {
        var matched: Int
        var accepted = 0
        var unanswered = 0
        var tooLate = 0
        var failed = 0
    }
}

extension BulkCommand.Summary {
    init(_ results: [BulkCommand.Result]) {
        self.init(matched: results.count)
        for result in results {
            switch result {
            case .accepted: accepted += 1
            case .unanswered: unanswered += 1
            case .tooLate: tooLate += 1
            case .failed: failed += 1
            }
        }
    }

    var text: String {
        var parts = ["\(HumanText.grouped(accepted)) accepted"]
        if unanswered > 0 { parts.append("\(HumanText.grouped(unanswered)) accepted, without an answer yet") }
        if tooLate > 0 { parts.append("\(HumanText.grouped(tooLate)) had ended or changed before") }
        if failed > 0 { parts.append("\(HumanText.grouped(failed)) failed") }
        return parts.joined(separator: ", ")
    }

    var json: JSONValue {
        [
            "matched": .integer(matched), "accepted": .integer(accepted), "unanswered": .integer(unanswered),
            "tooLate": .integer(tooLate), "failed": .integer(failed),
        ]
    }
}

extension BulkCommand.Action {
    /// Of instances that the action may change.
    var statuses: [OrchestrationStatus] {
        switch self {
        case .suspend: [.pending, .running]
        case .resume: [.suspended]
        case .cancel, .terminate, .release: [.pending, .running, .suspended]
        case .rewind: [.failed]
        case .purge: OrchestrationStatus.allCases.filter(\.isTerminal)
        }
    }

    var takesReason: Bool { self != .release && self != .purge }
    var takesRecursion: Bool { self == .terminate || self == .purge }

    func isMeant(_ instance: InstanceSnapshot) -> Bool {
        statuses.contains(instance.status) && (self != .release || instance.holdCode != nil)
    }

    var verb: String {
        switch self {
        case .suspend: "suspends"
        case .resume: "resumes"
        case .cancel: "cancels"
        case .terminate: "ends, for good,"
        case .rewind: "rewinds"
        case .release: "releases"
        case .purge: "removes, for good,"
        }
    }

    var participle: String {
        switch self {
        case .suspend: "suspended"
        case .resume: "resumed"
        case .cancel: "cancelled"
        case .terminate: "terminated"
        case .rewind: "rewound"
        case .release: "released"
        case .purge: "purged"
        }
    }
}
