import CSimulation
import DurableCore
import HeapModule

/// Runs the programs of several simulated processes on the calling thread: picks the next job from the seed, and moves
/// time when there is none.
///
/// A process is a *node*. Jobs and events belong to the node that runs when they come into being; those of a paused
/// node wait, those of a crashed one never run. Nodes reach each other through ports only, which pass on by events.
///
/// Everything of a simulator happens on one thread, inside `run`, its events and its jobs.
package final class Simulator: @unchecked Sendable {  // confined to one thread
    /// Plain values: the heap moves them a lot. What is to be done is in `actions`.
    private struct Event: Comparable {
        /// Microseconds since the start of the run.
        var time: Int64
        var number: UInt64
        var slot: Int

        static func == (left: Self, right: Self) -> Bool { left.number == right.number }
        static func < (left: Self, right: Self) -> Bool {
            left.time == right.time ? left.number < right.number : left.time < right.time
        }
    }

    /// Something to do at a time; may be taken back.
    package final class Action: @unchecked Sendable {  // confined to the simulator's thread
        fileprivate var body: (() -> Void)?
        fileprivate let node: Node
        fileprivate init(_ node: Node, _ body: @escaping () -> Void) {
            self.node = node
            self.body = body
        }
        package func cancel() { body = nil }
    }

    /// Since the start of the run.
    package var elapsed: Duration { .microseconds(microseconds) }
    private var microseconds: Int64 = 0
    /// Jobs and events so far.
    package private(set) var stepCount = 0
    /// Sum over all steps of what ran where and when: equal for equal runs.
    package private(set) var digest: UInt64 = 0xcbf2_9ce4_8422_2325
    /// Everything that no other node does.
    package let root: Node
    package private(set) var current: Node
    package private(set) var nodes: [Node] = []

    private var events = Heap<Event>()
    private var actions: [Action?] = []
    private var freeSlots: [Int] = []
    private var lastEvent: UInt64 = 0
    /// Jobs of nodes that run, in no order that matters: the next one is drawn.
    private var ready: [Runnable] = []
    private var random: SeededGenerator
    /// What a job costs at most; what it really costs is drawn.
    private let jobCost: UInt64
    private var isCapturing = false

    enum Runnable {
        case job(UnsafeMutableRawPointer, Node)
        /// The next job of a thread.
        case thread(SimulatedThread)

        var node: Node {
            switch self {
            case .job(_, let node): node
            case .thread(let thread): thread.node
            }
        }
    }

    /// - Parameter jobCost: Simulated time one job takes at most.
    package init(seed: UInt64, jobCost: Duration = .microseconds(20)) {
        random = SeededGenerator(seed: seed, purpose: "schedule")
        self.jobCost = UInt64(max(1, jobCost / .microseconds(1)))
        let root = Node(name: "simulation", number: 0)
        self.root = root
        current = root
        nodes = [root]
    }

    package func makeNode(_ name: String) -> Node {
        let node = Node(name: name, number: nodes.count)
        nodes.append(node)
        return node
    }

    // MARK: - Asking for something to run

    /// Runs `body` in `node` at once.
    package func run<Result>(in node: Node, _ body: () -> Result) -> Result {
        let previous = current
        current = node
        defer { current = previous }
        return body()
    }

    /// Runs `body` in `node` when `delay` has passed.
    @discardableResult
    package func schedule(after delay: Duration, in node: Node, _ body: @escaping () -> Void) -> Action {
        let action = Action(node, body)
        lastEvent += 1
        let slot = freeSlots.popLast() ?? actions.count
        if slot == actions.count { actions.append(action) } else { actions[slot] = action }
        events.insert(Event(time: microseconds + delay.wholeMicroseconds, number: lastEvent, slot: slot))
        return action
    }

    func makeReady(_ runnable: Runnable) {
        let node = runnable.node
        if node.status == .running { ready.append(runnable) } else { node.waiting.append(runnable) }
    }

    // MARK: - Nodes

    /// The node's jobs and events wait until `resume`.
    package func pause(_ node: Node) {
        guard node.status == .running else { return }
        node.status = .paused
        setAside(node)
    }

    /// The node's jobs and events never run again, unless `resume` lets them: for cleaning up when all is over.
    package func crash(_ node: Node) {
        if node.status == .crashed { return }
        node.status = .crashed
        node.isDead = true
        setAside(node)
    }

    package func resume(_ node: Node) {
        guard node.status != .running else { return }
        node.status = .running
        ready += node.waiting
        node.waiting = []
        let late = node.lateActions
        node.lateActions = []
        for action in late {
            schedule(after: .zero, in: node) {
                action.body?()
                action.body = nil
            }
        }
    }

    private func setAside(_ node: Node) {
        var kept: [Runnable] = []
        for runnable in ready {
            if runnable.node === node { node.waiting.append(runnable) } else { kept.append(runnable) }
        }
        ready = kept
    }

    // MARK: - Running

    /// Everything that belongs to the simulation happens in `body`, the release of its objects included: what
    /// their ends still ask for is run too.
    package func withCapture<Result>(_ body: () -> Result) -> Result {
        precondition(!isCapturing, "a simulation is run by one caller")
        isCapturing = true
        simulation_capture(
            { context, job in
                Unmanaged<Simulator>.fromOpaque(context).takeUnretainedValue().capture(job)
            }, Unmanaged.passUnretained(self).toOpaque())
        defer {
            simulation_capture(nil, nil)
            isCapturing = false
        }
        let result = body()
        _ = run(until: elapsed + .seconds(600), stepLimit: stepCount + 100_000) { false }
        return result
    }

    /// Runs until `isDone` holds, nothing is left to do, or a limit is reached. `isDone` is asked after every event and
    /// every job.
    package func run(until limit: Duration, stepLimit: Int = .max, isDone: () -> Bool) -> RunEnd {
        precondition(isCapturing, "a simulation runs inside withCapture")
        let end = limit.wholeMicroseconds
        while true {
            if isDone() { return .done }
            if stepCount >= stepLimit { return .tooManySteps }
            let due = events.min?.time
            if ready.isEmpty || due.map({ $0 <= microseconds }) ?? false && random.next() % 4 == 0 {
                guard let event = events.popMin() else { return .idle }
                if event.time > end {
                    events.insert(event)
                    microseconds = end
                    return .timeOver
                }
                microseconds = max(microseconds, event.time)
                let action = actions[event.slot]
                actions[event.slot] = nil
                freeSlots.append(event.slot)
                if let action { perform(action) }
            } else {
                let index = ready.count == 1 ? 0 : Int(random.next() % UInt64(ready.count))
                ready.swapAt(index, ready.count - 1)
                perform(ready.removeLast())
            }
        }
    }

    private func perform(_ action: Action) {
        guard let body = action.body else { return }
        guard action.node.status == .running else {
            action.node.lateActions.append(action)
            return
        }
        note(action.node, kind: 1)
        current = action.node
        body()
        action.body = nil
        current = root
    }

    private func perform(_ runnable: Runnable) {
        let node = runnable.node
        note(node, kind: 2)
        node.jobCount += 1
        current = node
        switch runnable {
        case .job(let job, _): simulation_run(job)
        case .thread(let thread): thread.runNext(on: self)
        }
        current = root
        microseconds += Int64(random.next() % jobCost)
        while let trigger = node.triggers.first, node.jobCount >= trigger.jobCount {
            node.triggers.removeFirst()
            trigger.body()
        }
    }

    private func note(_ node: Node, kind: UInt64) {
        stepCount += 1
        digest =
            (digest ^ (UInt64(bitPattern: microseconds) &* 31 &+ UInt64(node.number) &* 4 &+ kind))
            &* 0x0000_0100_0000_01b3
    }

    private func capture(_ job: UnsafeMutableRawPointer) { makeReady(.job(job, current)) }
}

extension Duration {
    /// Rounded down; not below zero, not beyond a hundred thousand years.
    fileprivate var wholeMicroseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds < 0 ? 0 : min(seconds, 1 << 42) * 1_000_000 + max(0, attoseconds) / 1_000_000_000_000
    }
}

package enum RunEnd: Hashable, Sendable {
    case done
    /// Nothing will ever happen again.
    case idle
    case timeOver
    case tooManySteps
}

/// One simulated process.
package final class Node: @unchecked Sendable {  // confined to its simulator's thread
    package enum Status: Sendable { case running, paused, crashed }

    package let name: String
    let number: Int
    package fileprivate(set) var status = Status.running
    /// It crashed: whatever it still does while its remains are cleared away reaches no port.
    package fileprivate(set) var isDead = false
    fileprivate(set) var jobCount = 0
    fileprivate var waiting: [Simulator.Runnable] = []
    fileprivate var lateActions: [Simulator.Action] = []
    /// In order of their job counts.
    fileprivate var triggers: [(jobCount: Int, body: () -> Void)] = []
    /// How far its wall clock is ahead.
    package var clockOffset = Duration.zero

    fileprivate init(name: String, number: Int) {
        self.name = name
        self.number = number
    }

    /// Calls `body` between two of its jobs, after `count` more of them.
    package func after(jobs count: Int, _ body: @escaping () -> Void) {
        let due = jobCount + count
        let index = triggers.firstIndex { $0.jobCount > due } ?? triggers.endIndex
        triggers.insert((due, body), at: index)
    }
}
