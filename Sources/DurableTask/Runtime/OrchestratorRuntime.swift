import DurableCore
import Logging
import Synchronization

/// The state behind one instance's context.
///
/// Sendable because child tasks capture the context. Everything is touched only on the thread that owns the
/// executor (an episode, an eviction, or what ends after it); each entry from user code checks that first.
final class OrchestratorRuntime: @unchecked Sendable {
    let executor: EpisodeExecutor
    let orchestrationName: String
    let version: String?
    let instanceID: InstanceID
    let executionID: ExecutionID
    let mode: EpisodeMode
    private let inputDefect: @Sendable (any Encodable & Sendable) -> String?
    private let baseLogger: Logger
    let usesFastPath: Bool

    var now = Timestamp(millisecondsSinceEpoch: 0)
    /// Of the instance.
    var tags: [String: String] = [:]
    var operations = OperationTable()
    var events = ExternalEvents()
    /// What the code asked for: on replay what history has not confirmed yet, live what the episode returns.
    var asked = FIFO<OrchestratorAction>()
    var feed = HistoryFeed()
    /// Sticky: the first thing that makes the episode unusable.
    var fault: EpisodeFailure?
    /// A value the code handed over could not be encoded or used; the instance fails with this.
    var unencodable: FailureDetails?
    var isComplete = false
    /// What the next execution begins with, once the code has asked for one.
    private(set) var continuation: (input: Payload?, version: String?)?
    /// Bytes of the payloads handed to the code, which it may still hold.
    var deliveredBytes = 0
    private var recordedValues: RecordedValues?
    var handlers = Handlers()
    var conditions = Conditions()
    /// Set while something runs that may only look.
    var reading: Reading?
    var patches: Patches
    /// Tasks that the cancellation of whoever waits for them does not reach, in order of their begin.
    var shieldedTasks: [(number: Int, cancel: () -> Void)] = []
    var lastShieldedTask = 0
    var ending = RequestedEnd()
    /// Sub-orchestrations that go on when the call is cancelled. Look-up only.
    var abandonedWhenCancelled: Set<EventID> = []

    /// The first use of the context from another thread.
    private let misuse = PlatformLock<String?>(nil)
    private let isMisused = Atomic<Bool>(false)
    /// Durable calls refused since the instance ended.
    private let refusals = Atomic<Int>(0)
    /// How many waits eviction ended.
    var evictedWaits = 0

    init(
        _ orchestration: AnyOrchestration, version: String?, instanceID: InstanceID, executionID: ExecutionID,
        patches: Set<String>, options: NativeOrchestration.Options
    ) {
        orchestrationName = orchestration.name
        inputDefect = orchestration.inputDefect
        self.version = version
        self.instanceID = instanceID
        self.executionID = executionID
        executor = EpisodeExecutor(onForeignJob: options.onEscape)
        mode = EpisodeMode(executor: executor)
        baseLogger = options.logger
        usesFastPath = options.usesFastPath
        self.patches = Patches(recorded: patches, repeatsHistory: options.repeatsHistory)
    }

    lazy var logger: Logger = {
        var logger = baseLogger
        logger.handler = ReplaySafeLogHandler(base: baseLogger.handler, mode: mode)
        logger[metadataKey: "instance"] = "\(instanceID)"
        logger[metadataKey: "orchestration"] = "\(orchestrationName)"
        return logger
    }()

    // MARK: Entry from user code

    /// Notes a use from outside the orchestration.
    ///
    /// - Returns: false when there, true inside an episode (or an eviction).
    func isInside(_ call: @autoclosure () -> String) -> Bool {
        if executor.isOwner { return true }
        let call = call()
        misuse.withLock { if $0 == nil { $0 = call } }
        isMisused.store(true, ordering: .releasing)
        return false
    }

    /// The call that came from outside, if one did.
    var misusedCall: String? {
        isMisused.load(ordering: .acquiring) ? misuse.withLock { $0 } : nil
    }

    /// Whether what the code asks for still counts.
    func mayAct(_ call: @autoclosure () -> String) -> Bool {
        guard isInside(call()) else { return false }
        if reading != nil {
            noteViolation("used \(call())")
            return false
        }
        return !mode.isEvicted && fault == nil && unencodable == nil && !isComplete
    }

    /// Lets a durable wait begin, or throws since the instance ended or the surrounding task is cancelled.
    func admit(_ call: @autoclosure () -> String) async throws {
        guard mayAct(call()) else { return try await refuse() }
        if Task.isCancelled { throw CancellationError() }
    }

    /// A loop that swallows the error would spin for ever, so that its task is left suspended in the end (and
    /// never freed, about 2 KB). Each of many children may well be refused a few times while it cleans up.
    private func refuse() async throws {
        let count = refusals.wrappingAdd(1, ordering: .relaxed).newValue
        let waits = executor.isOwner ? max(waitingCount, evictedWaits) : 0
        if count > 1000 + 20 * waits { await withUnsafeContinuation { (_: UnsafeContinuation<Void, Never>) in } }
        throw OrchestrationInterrupted()
    }

    /// The encoded value; nil on replay, where history holds it.
    func encodeUnlessReplaying(
        _ value: some Encodable, as what: @autoclosure () -> String
    ) throws(PayloadError) -> Payload? {
        if mode.isReplaying { return nil }
        do {
            return try PayloadCoding.encode(value, as: what())
        } catch {
            // Not left to the code to catch: on replay nothing is encoded, so that it would take another path.
            unencodable = error.failureDetails
            throw error
        }
    }

    /// Fails the instance, whatever its code does next.
    func fail(_ error: some Error) { unencodable = FailureDetails(describing: error) }

    // MARK: At once

    /// What leaves no history event, so that replay has nothing to match.
    func askUnlessReplaying(_ action: OrchestratorAction) {
        if !mode.isReplaying, !isComplete { asked.append(action) }
    }

    func startOrchestration(
        _ name: String, version: String?, instanceID: InstanceID?, input: Payload?, tags: [ExecutionStarted.Tag]
    ) -> InstanceID {
        let id = operations.add(.settled)
        let start = ChildStart(
            instanceID: childID(instanceID, id), name: name, version: version, input: input, isDetached: true,
            tags: tags)
        asked.append(.createSubOrchestration(id: id, start))
        return start.instanceID
    }

    func childID(_ chosen: InstanceID?, _ id: EventID) -> InstanceID {
        chosen ?? InstanceID("\(executionID.stem):\(id)")
    }

    func raiseEvent(to instance: InstanceID, name: String, input: Payload?) {
        let id = operations.add(.settled)
        asked.append(.sendEvent(id: id, instanceID: instance, name: name, input: input))
    }

    func setCustomStatus(_ status: Payload?) {
        askUnlessReplaying(.setCustomStatus(status))
    }

    /// Draws from the instance's series of recorded values.
    func draw<Value>(_ body: (inout RecordedValues) -> Value) -> Value {
        var values = recordedValues ?? RecordedValues(instanceID: instanceID, executionID: executionID)
        if reading != nil {
            noteViolation("drew a recorded value")
            return body(&values)
        }
        defer { recordedValues = values }
        return body(&values)
    }

    /// Notes what the next execution begins with; it does once the code has ended.
    func continueAsNew(
        _ input: some Encodable & Sendable, version: String?
    ) throws(PayloadError) -> ContinuedAsNew {
        let what = "the input of the next execution"
        if let update = HandlerScope.update {
            fault = .contextMisuse(
                "context.continueAsNew was called in the handler of update \"\(update)\"; let it change a state that the "
                    + "orchestration's function waits for (context.wait), and continue as new there")
            return ContinuedAsNew()
        }
        // Code of another version may take another input.
        if version == nil || version == self.version, let reason = inputDefect(input) {
            let error = PayloadError(direction: .encoding, subject: what, reason: reason)
            fail(error)
            throw error
        }
        do {
            // On replay too, though history may hold it: the code may wait before it ends, and end live.
            continuation = (try PayloadCoding.encode(input, as: what), version)
        } catch {
            fail(error)
            throw error
        }
        return ContinuedAsNew()
    }

    /// The orchestration returned or threw.
    func finish(_ end: OrchestrationEnd) {
        if mode.isEvicted || fault != nil || unencodable != nil || isComplete { return }
        isComplete = true
        let id = operations.add(.settled)
        if let (status, reason) = ending.imposed(on: end) {
            asked.append(.completeOrchestration(id: id, status: status, result: reason, failure: nil))
            return
        }
        switch end {
        case .failed(let failure), .canceled(let failure):
            asked.append(.completeOrchestration(id: id, status: .failed, result: nil, failure: failure))
        case .completed(let output):
            if continueIfAsked(id) { return }
            asked.append(.completeOrchestration(id: id, status: .completed, result: output, failure: nil))
        case .continuedAsNew:
            if continueIfAsked(id) { return }
            // Thrown with an error of another instance.
            let failure = FailureDetails(describing: ContinuedAsNew())
            asked.append(.completeOrchestration(id: id, status: .failed, result: nil, failure: failure))
        }
    }

    private func continueIfAsked(_ id: EventID) -> Bool {
        guard let (input, version) = continuation else { return false }
        // What it carries over is known when the episode is over.
        asked.append(.continueAsNew(id: id, input: input, version: version, carriedOver: []))
        return true
    }

    /// What the episode asked for.
    func takeAsked() -> [OrchestratorAction] {
        var actions = asked.takeAll()
        if case .continueAsNew(let id, let input, let version, _)? = actions.last {
            actions[actions.count - 1] = .continueAsNew(
                id: id, input: input, version: version, carriedOver: events.takeAllEarly())
            actions.insert(contentsOf: ending.passedOn.map { .passOn($0) }, at: actions.count - 1)
        }
        return actions
    }
}

/// Takes the code of an execution that continues as new to its end. See `OrchestrationContext.continueAsNew`.
public struct ContinuedAsNew: Error, Hashable, Sendable, CustomStringConvertible {
    public var description: String { "the orchestration continues as new" }
}

/// What durable calls throw when the instance leaves memory or its episode failed. What the code does after it is
/// ignored.
struct OrchestrationInterrupted: Error, CustomStringConvertible {
    var description: String { "the orchestration is being taken out of memory; what it does now is ignored" }
}

/// Where the instance stands, shared with its log handler.
final class EpisodeMode: @unchecked Sendable {  // written and read on the executor's owner thread
    let executor: EpisodeExecutor
    var isReplaying = false
    var isEvicted = false

    init(executor: EpisodeExecutor) { self.executor = executor }
}
