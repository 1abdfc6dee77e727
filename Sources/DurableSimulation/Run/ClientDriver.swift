import DurableBackend
import DurableClient
import DurableCore
import DurableWire

/// The clients of a run: carry out what the workload planned, through the client a program would use, and ask at the
/// end.
final class ClientDriver: @unchecked Sendable {  // confined to the simulator's thread
    let hub: SimulatedHub
    let client: HubClient
    private let node: Node
    /// IDs the client shall use next; it makes its own when there is none.
    let nextID: NextID
    private var openCount = 0
    /// What anybody was told of updates last, whose IDs are unique over all instances. Sorted before use.
    var updateOutcomes: [UpdateID: (id: InstanceID, outcome: UpdateOutcome)] = [:]
    /// Reasons of requests to rewind that were refused, since the instance had not failed. Sorted before use.
    var refusedRewinds: [Payload: InstanceID] = [:]

    private var workload: Workload { hub.plan.workload }
    var isDone: Bool { openCount == 0 }

    init(_ hub: SimulatedHub) {
        self.hub = hub
        let nextID = NextID()
        self.nextID = nextID
        (client, node) = hub.makeClient("client", makeID: nextID.make)
    }

    // MARK: - What was planned

    /// Operations about one instance come one after the other, those about others go on beside them.
    func arm() {
        var chains: [InstanceID: [PlannedOperation]] = [:]
        var targets: [InstanceID] = []
        for operation in workload.operations {
            guard let target = workload.target(of: operation), operation.publication != nil else {
                start { await $0.ask(operation) }
                continue
            }
            if chains[target] == nil { targets.append(target) }
            chains[target, default: []].append(operation)
        }
        for target in targets {
            let chain = chains[target] ?? []
            start { driver in
                for operation in chain { await driver.send(operation) }
            }
        }
        for reuse in hub.plan.reuses { start { await $0.carryOut(reuse) } }
    }

    func start(_ body: @escaping @Sendable (ClientDriver) async -> Void) {
        openCount += 1
        hub.simulator.schedule(after: .zero, in: node) { [self] in
            _ = Task {
                await body(self)
                openCount -= 1
            }
        }
    }

    private func wait(until time: Duration) async { await client.clock.sleep(for: time - hub.simulator.elapsed) }

    private func send(_ operation: PlannedOperation) async {
        await wait(until: operation.at)
        guard let message = workload.message(of: operation, at: client.clock.now()),
            let publication = operation.publication
        else { return }
        for delay in publication.repeats {
            start { driver in
                await driver.client.clock.sleep(for: delay)
                await driver.submit(message, for: operation, mustArrive: false)
            }
        }
        await submit(message, for: operation, mustArrive: publication.mustArrive)
        guard case .pause(_, let duration, _, let publication) = operation.kind else { return }
        await client.clock.sleep(for: duration)
        guard let message = workload.resumption(of: operation, at: client.clock.now()) else { return }
        for _ in 0..<publication.copies { await submit(message, for: operation, mustArrive: true) }
    }

    /// Sends one message until the broker has it, and until it has arrived if it must.
    private func submit(_ message: Message, for operation: PlannedOperation, mustArrive: Bool) async {
        while true {
            do {
                let submission = try await submit(message)
                guard case .verdict(let verdict) = submission.outcome else {
                    if !mustArrive { return }
                    continue
                }
                if !operation.permittedVerdicts(in: workload).contains(verdict), !(mustArrive && verdict == .notFound) {
                    hub.witness.violated("I2: \(operation.typeName) \(message.id) was answered with \(verdict)")
                }
                if case .executionRewound(let reason, _) = message.event.kind {
                    checkRewinding(of: message.instanceID, because: reason, verdict)
                }
                if !mustArrive || verdict != .notFound { return }
            } catch {
                hub.trace.note("client: \(message.id): \(error)")
            }
            await client.clock.sleep(for: .seconds(1))
        }
    }

    private func submit(_ message: Message) async throws -> Submission {
        nextID.set(message.id.value)
        switch message.event.kind {
        case .executionStarted(let start):
            return try await client.start(
                StartRequest(
                    name: start.name, id: message.instanceID, input: start.input, startAt: start.scheduledStart,
                    version: start.version))
        case .eventRaised(let name, let input):
            return try await client.raiseEvent(name, to: message.instanceID, data: input)
        case .executionTerminated(let reason, _):
            return try await client.terminate(message.instanceID, reason: reason)
        case .cancellationRequested(let reason):
            return try await client.cancel(message.instanceID, reason: reason)
        case .executionRewound(let reason, _):
            return try await client.rewind(message.instanceID, reason: reason)
        case .executionSuspended(let reason):
            return try await client.suspend(message.instanceID, reason: reason)
        case .executionResumed(let reason):
            return try await client.resume(message.instanceID, reason: reason)
        case .entityOperationSignaled(let signal):
            guard let entity = message.instanceID.entity else { preconditionFailure("it is an entity's") }
            return try await client.signal(
                signal.operation, entity, input: signal.input, requestID: signal.requestID)
        default:
            preconditionFailure("clients send no \(message.event.typeName)")
        }
    }

    /// Questions while the hub works: they may go unanswered, but no answer may run ahead of what is durable.
    private func ask(_ operation: PlannedOperation) async {
        await wait(until: operation.at)
        do {
            switch operation.kind {
            case .status(let id): check(try await client.status(of: id))
            case .history(let id): check(try await client.history(of: id), of: id)
            case .list: for instance in try await client.list(limit: 1000).instances { checkDurable(instance) }
            case .counts:
                let before = hub.witness.instances.count
                let sum = try await client.counts().reduce(0) { $0 + $1.count }
                // Some may have been purged since they were counted.
                let durable = max(before, hub.witness.instances.count)
                if sum > durable { hub.witness.violated("I5: \(sum) instances were counted, \(durable) are durable") }
            case .waitForEnd(let id):
                if case .ended(let snapshot) = try await client.wait(for: id, timeout: .seconds(20)) {
                    check(snapshot)
                }
            case .mend(let id, let limit): await mend(id, limit: limit)
            case .update(let id, let request, let repeats): await update(id, request, repeats: repeats)
            default: break
            }
        } catch {
            hub.trace.note("client: \(operation.typeName): \(error)")
        }
    }

    func check(_ snapshot: InstanceSnapshot?) {
        guard let snapshot else { return }
        checkDurable(snapshot)
        let runs = hub.witness.runs(of: snapshot.id, snapshot.executionID).map(\.state)
        guard !runs.isEmpty, snapshot.status.isTerminal else { return }
        if !runs.contains(where: { $0.output == snapshot.output && $0.failure == snapshot.failure }) {
            hub.witness.violated("I2: instance \(snapshot.id) was shown with an outcome that its log does not have")
        }
    }

    private func checkDurable(_ snapshot: InstanceSnapshot) {
        // An answer may be late: another run may have taken the ID meanwhile, or it was purged.
        let isTrue = hub.witness.runs(of: snapshot.id, snapshot.executionID).contains { run in
            let count = run.history(of: snapshot.executionID)?.count ?? 0
            return snapshot.historyCount <= count
                && (!snapshot.status.isTerminal || run.state.status == snapshot.status)
        }
        if !isTrue {
            hub.witness.violated("I5: instance \(snapshot.id) was shown as \(snapshot.status), which is not durable")
        }
    }

    private func check(_ history: [HistoryEvent]?, of id: InstanceID) {
        guard let history, !history.isEmpty else { return }
        let executionID = history.executionStarted?.executionID
        let isTrue = hub.witness.runs(of: id, executionID).contains { run in
            run.history(of: executionID)?.starts(with: history) == true
        }
        if !isTrue {
            hub.witness.violated("I5: the history of instance \(id) was shown with events that are not durable")
        }
    }

    // MARK: - The end

    /// Compares what owners say with what is durable.
    func askAll() async throws {
        let instances = hub.witness.instances
        // The list shows them all; a few are looked at one by one.
        for instance in instances.enumerated().filter({ $0.offset % max(1, instances.count / 4) == 0 }).map(\.element) {
            let id = instance.state.id
            // A partition may be on its way from one owner to the next.
            let snapshot = try await persist { try await client.status(of: id) }
            let history = try await persist { try await client.history(of: id) }
            let input = instance.history.lazy.compactMap(\.start).first?.input
            if snapshot != InstanceSnapshot(instance.state, input: input ?? snapshot?.input) {
                hub.witness.violated("I2: instance \(id) is shown as other than its log says")
            }
            if history != instance.history {
                hub.witness.violated(
                    "I2: the history of instance \(id) is shown as other than its log says: \(history?.count ?? -1) "
                        + "events of \(instance.history.count)")
            }
        }
        let listed = try await persist { try await client.list(limit: 10_000) }.instances.map(\.id)
        let entities = try await persist { try await client.list(ListFilter(idPrefix: "@"), limit: 10_000) }
        let durable = hub.witness.instances.sorted { left, right in
            (left.state.createdAt, left.state.id) < (right.state.createdAt, right.state.id)
        }
        let durableIDs = durable.map(\.state.id)
        if listed != durableIDs.filter({ !$0.isReserved })
            || entities.instances.map(\.id) != durableIDs.filter(\.isReserved)
        {
            hub.witness.violated(
                "I2: \(listed.count) instances and \(entities.instances.count) entities are listed, \(durable.count) are "
                    + "durable")
        }
        checkUpdates()
        checkRefusedRewinds()
        let counts = try await persist { try await client.counts() }
        if counts.reduce(0, { $0 + $1.count }) != durable.count {
            hub.witness.violated("I2: instances are counted as \(counts), \(durable.count) are durable")
        }
    }

    private func persist<Result>(_ body: () async throws -> Result) async throws -> Result {
        for _ in 0..<10 {
            if let result = try? await body() { return result }
            await client.clock.sleep(for: .seconds(1))
        }
        return try await body()
    }

    func close() {
        let client = client
        hub.simulator.schedule(after: .zero, in: node) { _ = Task { await client.close() } }
    }
}

/// Makes a client's IDs: the one it was given, once, otherwise numbers.
final class NextID: Sendable {
    private let state = PlatformLock<(given: String?, number: Int)>((nil, 0))

    func set(_ id: String) { state.withLock { $0.given = id } }

    func make() -> String {
        state.withLock { state in
            if let given = state.given {
                state.given = nil
                return given
            }
            state.number += 1
            return "client-\(state.number)"
        }
    }
}
