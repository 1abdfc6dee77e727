import DurableBackend
import DurableCore
import DurableEngine
import DurableMemory
import DurableSQLite
import DurableTask
import DurableWire
import DurableWorker

/// A small mixed workload on two partitions and two workers, with one planned accident and a check of everything that
/// must hold afterwards.
struct CrashRun {
    enum Accident: Sendable, CaseIterable, CustomStringConvertible {
        case cutBefore, loseAnswer, kill
        case diskFull, storageFails, storageAnswerLost

        static let ofTheBroker: [Self] = [.cutBefore, .loseAnswer, .kill]
        static let ofTheStorage: [Self] = [.diskFull, .storageFails, .storageAnswerLost]

        var storageFault: StorageFaultPlan.Fault? {
            switch self {
            case .cutBefore, .loseAnswer, .kill: nil
            case .diskFull: .full
            case .storageFails: .unavailable(isWritten: false)
            case .storageAnswerLost: .unavailable(isWritten: true)
            }
        }

        var description: String {
            switch self {
            case .cutBefore: "connection cut before a call"
            case .loseAnswer: "connection cut after a call"
            case .kill: "worker killed at a call"
            case .diskFull: "disk full"
            case .storageFails: "storage fails a call"
            case .storageAnswerLost: "storage carries a call out and fails"
            }
        }
    }

    struct Outcome {
        /// What does not hold; empty when all is well.
        var violations: [String]
        /// False when the run ended before the planned call.
        var wasMet: Bool
        var calls: Int
    }

    static let outputs: [(id: String, name: String, input: String?, output: String)] = [
        ("chain-a", "Chain", "3", "3"), ("chain-b", "Chain", "2", "2"), ("fan", "Fan", "8", "36"),
        ("nap", "Nap", nil, "\"rested\""), ("approval", "Approval", nil, "\"yes\""),
        ("receiver-1", "Receiver", nil, "[0,1,2]"), ("receiver-2", "Receiver", nil, "[0,1,2]"),
        ("sender", "Sender", "[\"receiver-1\",\"receiver-2\"]", "2"),
        ("tally", "Tally", nil, "[2,3,5]"),
    ]

    /// Runs the workload and lets `accident` happen at the given call of the workers, counted from 1.
    static func perform(_ accident: Accident, atCall call: Int) async throws -> Outcome {
        let hub = try await EngineHarness(partitions: 2)
        let witness = CrashWitness(hub: hub)
        if let fault = accident.storageFault {
            witness.ledger.plan { number, _ in number == call ? fault : .none }
        }
        hub.broker.setFaults(FaultPlan { point in witness.decide(point, accident, call) })
        for name in ["w1", "w2"] { try witness.startWorker(name) }
        for (id, name, input, _) in outputs { try await hub.start(name, id: id, input: input) }
        try await hub.raise("answer", to: "approval", "\"yes\"", message: "answer-1")
        // Each asked twice, one of them refused.
        for _ in 1...2 {
            for number in [1, -1, 2, 4] { try await hub.update("add", "u\(number)", of: "tally", "\(number)") }
        }

        let expected = Set(outputs.map { InstanceID($0.id) })
        try await hub.eventually("all ends (\(accident) at call \(call))") {
            try witness.replaceKilled()
            return witness.ledger.ended == expected
        }
        try await hub.eventually("empty queues (\(accident) at call \(call))") {
            try witness.replaceKilled()
            return witness.isQuiet()
        }
        let checker = CrashChecker(hub: hub, witness: witness)
        let snapshots = try await checker.askedSnapshots()
        for worker in witness.alive { try await worker.stop() }
        var violations = witness.violations
        violations += try await checker.violations(snapshots)
        return Outcome(violations: violations, wasMet: witness.isAccidentMet, calls: witness.calls(of: accident))
    }
}

/// Starts the workers of one run, sees what they send and run, and does the accident.
final class CrashWitness: Sendable {
    private struct State {
        var brokerCalls = 0
        var isMet = false
        var killed: [String] = []
        var workers: [String: (worker: RunningWorker, storage: CrashStorage)] = [:]
        var violations: [String] = []
        /// Publishes by task; a broker that cuts the connection may have taken one all the same.
        var publishes: [String: Int] = [:]
        /// Runs of first deliveries and of repeated ones, by idempotency key.
        var firstRuns: [String: Int] = [:]
        var repeatedRuns: [String: Int] = [:]
    }

    let hub: EngineHarness
    let ledger = DurableLedger()
    private let state = PlatformLock(State())

    init(hub: EngineHarness) { self.hub = hub }

    var violations: [String] { state.withLock(\.violations) }
    var isAccidentMet: Bool { state.withLock(\.isMet) || ledger.isFaultMet }
    var alive: [RunningWorker] {
        state.withLock { state in
            state.workers.sorted { $0.key < $1.key }.map(\.value.worker).filter { !state.killed.contains($0.name) }
        }
    }

    func calls(of accident: CrashRun.Accident) -> Int {
        accident.storageFault == nil ? state.withLock(\.brokerCalls) : ledger.callCount
    }

    func startWorker(_ name: String) throws {
        let storage = CrashStorage(hub.storage, ledger)
        let worker = try hub.startWorker(name, items(on: name), storage: storage) { $0.heartbeatInterval = .seconds(5) }
        state.withLock { $0.workers[name] = (worker, storage) }
    }

    /// Puts a new worker in a killed one's place.
    func replaceKilled() throws {
        let missing = state.withLock { state in
            state.killed.filter { state.workers["\($0)-again"] == nil }
        }
        for name in missing {
            state.withLock { $0.workers[name]?.worker.task.cancel() }
            try startWorker("\(name)-again")
        }
    }

    // MARK: - The accident

    func decide(
        _ point: FaultPlan.Point, _ accident: CrashRun.Accident, _ call: Int
    ) -> FaultPlan.Fault {
        guard point.transport.hasPrefix("w") else { return .none }
        if case .publish(let messages) = point.call { for message in messages { check(message) } }
        let isNow = state.withLock { state in
            state.brokerCalls += 1
            guard accident.storageFault == nil, state.brokerCalls == call else { return false }
            state.isMet = true
            return true
        }
        guard isNow else { return .none }
        switch accident {
        case .cutBefore: return .cutBefore
        case .loseAnswer: return .cutAfter
        case .kill:
            kill(point.transport)
            return .none
        case .diskFull, .storageFails, .storageAnswerLost: return .none
        }
    }

    private func kill(_ name: String) {
        let storage = state.withLock { state in
            state.killed.append(name)
            return state.workers[name]?.storage
        }
        // A worker may act before `startWorker` has noted it; then its files end with its connection alone.
        storage?.kill()
        hub.broker.kill(name)
    }

    // MARK: - What is seen

    /// Nothing may be seen outside that is not durable first.
    private func check(_ message: OutgoingMessage) {
        switch message.properties.type {
        case "TaskScheduled":
            guard let task = try? TaskMessage(wire: message.body) else { return note("a task cannot be decoded") }
            state.withLock { $0.publishes[task.idempotencyKey, default: 0] += 1 }
            if !ledger.hasTask(task) { note("task \(task.messageID) was sent before its checkpoint was durable") }
        case "EventRaised":
            guard let batch = try? MessageBatch(wire: message.body) else { return note("a batch cannot be decoded") }
            for sent in batch.messages where !ledger.hasMessage(sent.id) {
                note("message \(sent.id) was sent before its checkpoint was durable")
            }
        default: break
        }
    }

    private func note(_ violation: String) { state.withLock { $0.violations.append(violation) } }

    private func ran(_ context: ActivityContext) {
        state.withLock { state in
            if context.deliveryCount > 1 {
                state.repeatedRuns[context.idempotencyKey, default: 0] += 1
            } else {
                state.firstRuns[context.idempotencyKey, default: 0] += 1
            }
        }
    }

    /// I3: each run answers a publish or a delivery the broker repeated, and without an accident there is one of each.
    func unexplainedRuns() -> [String] {
        let wasMet = isAccidentMet
        return state.withLock { state in
            var found: [String] = []
            for (key, runs) in state.firstRuns.sorted(by: { $0.key < $1.key }) {
                let publishes = state.publishes[key, default: 0]
                if runs > publishes { found.append("\(key) ran \(runs) times for \(publishes) publishes") }
                if !wasMet, publishes != 1 { found.append("\(key) was published \(publishes) times for no reason") }
            }
            if !wasMet, !state.repeatedRuns.isEmpty { found.append("repeated without accident: \(state.repeatedRuns)") }
            return found
        }
    }

    /// Whether every queue of work is empty, markers of owners aside.
    func isQuiet() -> Bool {
        let topology = hub.topology
        let queues = topology.partitions.map { topology.queue(.control, $0) } + [topology.workQueue("Add")]
        return queues.allSatisfy {
            hub.broker.readyMessages(in: $0).isEmpty && hub.broker.unacknowledgedCount(in: $0) == 0
        }
    }

    // MARK: - Workload

    private func items(on worker: String) -> [any Registrable] {
        let add = Activity("Add") { (value: Int, context: ActivityContext) -> Int in
            self.ran(context)
            return value + 1
        }
        let chain = Orchestration("Chain") { (count: Int, context: OrchestrationContext) -> Int in
            var value = 0
            for _ in 0..<count { value = try await context.callActivity(add, value) }
            return value
        }
        let fan = Orchestration("Fan") { (count: Int, context: OrchestrationContext) -> Int in
            try await withThrowingTaskGroup(of: Int.self) { group in
                for value in 0..<count { group.addTask { try await context.callActivity(add, value) } }
                return try await group.reduce(0, +)
            }
        }
        let nap = Orchestration("Nap") { (context: OrchestrationContext) -> String in
            let before = context.now
            try await context.sleep(for: .seconds(2))
            return context.now.since(before) >= .seconds(2) ? "rested" : "woken early"
        }
        let approval = Orchestration("Approval") { (context: OrchestrationContext) -> String in
            try await context.waitForExternalEvent("answer", as: String.self)
        }
        let receiver = Orchestration("Receiver") { (context: OrchestrationContext) -> [Int] in
            var rounds: [Int] = []
            for _ in 0..<3 { rounds.append(try await context.waitForExternalEvent("tick", as: Int.self)) }
            return rounds
        }
        let sender = Orchestration("Sender") { (targets: [String], context: OrchestrationContext) -> Int in
            for round in 0..<3 {
                for target in targets { context.raiseEvent(to: InstanceID(target), "tick", round) }
                try await context.sleep(for: .milliseconds(100))
            }
            return targets.count
        }
        let tally = Orchestration("Tally") { (context: OrchestrationContext) -> [Int] in
            let sums = context.state([Int]())
            context.handle(Update<Int, Int>("add"), validate: { if $0 < 0 { throw CancellationError() } }) { number in
                let sum = try await context.callActivity(add, number)
                sums.value.append(sum)
                return sum
            }
            try await context.wait { sums.value.count >= 3 }
            try await context.waitForHandlers()
            return sums.value.sorted()
        }
        return [add, chain, fan, nap, approval, receiver, sender, tally]
    }
}
