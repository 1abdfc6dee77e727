import DurableBackend
import DurableClient
import DurableCore
import DurableMemory
import DurableWire
import DurableWorker

/// Makes the planned faults happen, and mends everything at their end.
final class FaultDriver: @unchecked Sendable {  // confined to the simulator's thread
    private let hub: SimulatedHub
    private let stray: MemoryTransport
    /// No fault begins or goes on after this.
    private(set) var isOver = false
    /// Bytes that are no message, as far as the broker confirmed them.
    private(set) var garbageCount = 0
    /// Partitions whose owners must send again what queues have lost.
    private(set) var redrivesOwed: [PartitionID] = []
    /// Workers that stop and shall be replaced.
    private(set) var replacementCount = 0

    /// Workers that each instance's code has ended. Look-up only.
    private var trapCounts: [InstanceID: Int] = [:]

    private var simulator: Simulator { hub.simulator }

    init(_ hub: SimulatedHub) {
        self.hub = hub
        stray = hub.connect("stray", hub.simulator.root)
        hub.onTrap = { [unowned self] node, id in trap(node, id) }
    }

    func arm() {
        for fault in hub.plan.faults {
            after(fault.at) { [self] in
                if isOver { return }
                hub.trace.note("FAULT \(fault)")
                apply(fault.kind)
            }
        }
        after(hub.plan.faultsEnd) { [self] in mend() }
    }

    private func after(_ delay: Duration, _ body: @escaping () -> Void) {
        simulator.schedule(after: delay, in: simulator.root, body)
    }

    private func apply(_ kind: PlannedFault.Kind) {
        switch kind {
        case .crash(let place, let jobs, let restart):
            guard let worker = hub.worker(at: place) else { return }
            // Half of the crashes come while a transaction is written.
            if let disk = hub.disk, jobs % 2 == 1 {
                disk.interrupt(worker.node.number, atWrite: 1 + jobs / 2) { [self] in
                    crash(worker, at: place, restartAfter: restart)
                }
            } else {
                worker.node.after(jobs: jobs) { [self] in crash(worker, at: place, restartAfter: restart) }
            }
        case .losePower(let restart):
            let draw = Int(restart / .microseconds(1))
            if let disk = hub.disk, draw % 2 == 1 {
                disk.interrupt(nil, atWrite: 1 + draw / 2 % 40) { [self] in losePower(restartAfter: restart) }
            } else {
                losePower(restartAfter: restart)
            }
        case .pause(let place, let jobs, let duration):
            guard let worker = hub.worker(at: place) else { return }
            worker.node.after(jobs: jobs) { [self] in pause(worker, for: duration) }
        case .pauseInAppend(let place, let appends, let duration):
            guard let worker = hub.worker(at: place) else { return }
            hub.storageFaults.onAppend(appends, of: worker.node) { [self] in pause(worker, for: duration) }
        case .cut(let place, let which):
            disturb(place) { hub.broker.cut($0.name, which) }
        case .partition(let place, let duration):
            disturb(place, for: duration) { worker in
                hub.callFaults.partition(worker.name)
                hub.broker.cut(worker.name)
            } then: { [self] worker in
                hub.callFaults.heal(worker.name)
            }
        case .stall(let place, let length):
            let duration = min(length, hub.plan.faultsEnd - simulator.elapsed)
            disturb(place, for: duration) { worker in
                hub.network.stall(worker.name, for: duration)
                giveUp(worker, after: duration)
            }
        case .cutAtCall(let place, let calls, let isCarriedOut):
            with(place) { hub.callFaults.plan(isCarriedOut ? .cutAfter : .cutBefore, atCall: calls, of: $0.name) }
        case .refusePublish(let place, let calls, let isTaken):
            with(place) {
                hub.callFaults.plan(.reject(isTaken: isTaken), atCall: calls, of: $0.name, isPublish: true)
            }
        case .refuseSome(let place, let duration):
            disturb(place, for: duration) {
                hub.callFaults.refuseSome(of: $0.name)
            } then: { [self] in
                hub.callFaults.heal($0.name)
            }
        case .restartBroker(let down):
            disturbAll(for: down) {
                hub.broker.stop()
            } then: { [self] in
                hub.broker.start()
            }
        case .blockPublishers(let duration):
            disturbAll(for: duration) {
                hub.broker.blockPublishers()
            } then: { [self] in
                hub.broker.unblockPublishers()
            }
        case .failStorage(let place, let calls, let fault):
            with(place) { worker in
                switch (hub.disk, fault) {
                case (let disk?, .full): disk.plan(.full, atAccess: calls, of: worker.node.number)
                case (let disk?, .unavailable(isWritten: false)):
                    disk.plan(.inputOutput, atAccess: calls, of: worker.node.number)
                default: hub.storageFaults.plan(fault, atCall: calls, of: worker.node)
                }
            }
        case .fillDisk(let duration):
            disturbAll(for: duration) {
                if let disk = hub.disk { disk.isFull = true } else { hub.storageFaults.isFull = true }
            } then: { [self] in
                hub.disk?.isFull = false
                hub.storageFaults.isFull = false
            }
        case .jumpClock(let place, let by): with(place) { $0.node.clockOffset += by }
        case .drain(let place, let restart):
            guard let worker = hub.worker(at: place) else { return }
            replace(worker, at: place, by: .original, isDrained: true, after: restart)
        case .deploy(let place, let variant, let isDrained):
            guard let worker = hub.worker(at: place) else { return }
            replace(worker, at: place, by: variant, isDrained: isDrained, after: .milliseconds(5))
        case .strayCompletion(let number): sendStrayCompletion(number)
        case .garbage(let number): sendGarbage(number)
        case .purge: purge()
        case .loseNode(let number, let duration): loseNode(number, for: duration)
        }
    }

    /// Does something to the worker that has the place, if there is one.
    private func with(_ place: Int, _ body: (SimulatedHub.Worker) -> Void) {
        if let worker = hub.worker(at: place) { body(worker) }
    }

    /// The same; repeated runs are explained by it, and by what it leads to until its end.
    private func disturb(
        _ place: Int, for duration: Duration? = nil, _ body: (SimulatedHub.Worker) -> Void,
        then end: @escaping (SimulatedHub.Worker) -> Void = { _ in }
    ) {
        guard let worker = hub.worker(at: place) else { return }
        hub.disturbances.happened(to: worker.node)
        body(worker)
        guard let duration else { return }
        hub.disturbances.begin(with: worker.node)
        after(duration) { [self] in
            end(worker)
            hub.disturbances.end(with: worker.node)
        }
    }

    private func disturbAll(for duration: Duration, _ body: () -> Void, then end: @escaping () -> Void) {
        hub.disturbances.happenedToAll()
        hub.disturbances.begin(with: nil)
        body()
        after(duration) { [self] in
            end()
            hub.disturbances.end(with: nil)
        }
    }

    private func crash(_ worker: SimulatedHub.Worker, at place: Int, restartAfter: Duration) {
        guard !isOver, hub.worker(at: place) === worker else { return }
        hub.kill(worker)
        hub.free(place)
        after(restartAfter) { [self] in startAgain(at: place, .original) }
    }

    /// The first death is charged to nobody; after three more the instance is held, unless it gets a message meanwhile.
    private func trap(_ node: Node, _ id: InstanceID) {
        let (workload, counts) = (hub.plan.workload, trapCounts[id, default: 0] + 1)
        trapCounts[id] = counts
        let messages = workload.operations.filter { workload.target(of: $0) == id }
            .reduce(0) { $0 + ($1.publication?.copies ?? 0) }
        if counts > 4 * (1 + messages) {
            hub.witness.violated("I10: the code of \(id) has ended \(counts) workers and is not held")
        }
        guard let place = hub.places.firstIndex(where: { $0?.node === node }), let worker = hub.places[place] else {
            return
        }
        hub.trace.note("the code of \(id) ends \(worker.name)")
        hub.kill(worker)
        hub.free(place)
        after(.milliseconds(100)) { [self] in startAgain(at: place, .trapping) }
    }

    private func startAgain(at place: Int, _ variant: CodeVariant) {
        hub.startWorker(at: place, isOver ? .original : variant)
    }

    private func pause(_ worker: SimulatedHub.Worker, for duration: Duration) {
        // One that stands still already keeps its time: going on before the broker gives up on it would be no fault,
        // and being cut off afterwards one that nothing explains.
        guard !isOver, worker.node.status == .running else { return }
        hub.trace.note("\(worker.name) stands still")
        hub.disturbances.happened(to: worker.node)
        simulator.pause(worker.node)
        giveUp(worker, after: duration)
        after(duration) { [self] in wake(worker) }
    }

    private func wake(_ worker: SimulatedHub.Worker) {
        guard worker.node.status == .paused else { return }
        hub.trace.note("\(worker.name) goes on")
        hub.disturbances.happened(to: worker.node)
        simulator.resume(worker.node)
    }

    /// The broker closes the connections of a client that is silent for long.
    private func giveUp(_ worker: SimulatedHub.Worker, after silence: Duration) {
        guard silence > hub.plan.brokerPatience else { return }
        after(hub.plan.brokerPatience) { [self] in
            if isOver { return }
            hub.broker.cut(worker.name)
        }
    }

    private func losePower(restartAfter: Duration) {
        hub.disturbances.happenedToAll()
        for place in hub.places.indices {
            guard let worker = hub.places[place] else { continue }
            hub.free(place)
            if worker.isEnded || worker.node.isDead { continue }
            simulator.crash(worker.node)
            hub.disk?.kill(worker.node.number)
            // No connection is closed: the broker waits for heartbeats.
            simulator.schedule(after: hub.plan.brokerPatience, in: hub.network.broker) { [hub, name = worker.name] in
                hub.broker.kill(name)
            }
            after(restartAfter) { [self] in startAgain(at: place, .original) }
        }
        hub.disk?.losePower()
    }

    /// Stops a worker and starts another in its place.
    private func replace(
        _ worker: SimulatedHub.Worker, at place: Int, by variant: CodeVariant, isDrained: Bool,
        after delay: Duration
    ) {
        if !isDrained {
            hub.kill(worker)
            hub.free(place)
            after(delay) { [self] in startAgain(at: place, variant) }
            return
        }
        hub.trace.note("\(worker.name) drains")
        replacementCount += 1
        simulator.run(in: worker.node) { worker.host.stop() }
        whenEnded(worker) { [self] in
            if hub.places[place] === worker { hub.free(place) }
            after(delay) { [self] in
                replacementCount -= 1
                startAgain(at: place, variant)
            }
        }
    }

    private func whenEnded(_ worker: SimulatedHub.Worker, _ body: @escaping () -> Void) {
        if worker.node.isDead || worker.isEnded { return body() }
        after(.milliseconds(20)) { [self] in whenEnded(worker, body) }
    }

    /// A cluster's node goes: who was connected to it is cut off, and queues stand still until others lead them.
    private func loseNode(_ number: UInt64, for duration: Duration) {
        disturbAll(for: duration) {
            for (index, worker) in hub.places.enumerated() {
                guard let worker, !worker.node.isDead else { continue }
                if number >> UInt64(index) & 1 == 1 {
                    hub.broker.cut(worker.name)
                } else {
                    hub.network.stall(worker.name, for: duration)
                    giveUp(worker, after: duration)
                }
            }
        } then: {
        }
    }

    // MARK: - Messages from nowhere

    private func sendStrayCompletion(_ number: UInt64) {
        let open = hub.witness.instances.filter { !$0.state.openTasks.isEmpty || !$0.state.openChildren.isEmpty }
        guard !open.isEmpty else { return }
        let state = open[Int(number % UInt64(open.count))].state
        let isChilds = state.openTasks.isEmpty
        let isOtherExecution = isChilds || number / 1000 % 2 == 0
        let tasks = (isChilds ? Array(state.openChildren.keys) : Array(state.openTasks.keys)).sorted()
        let task = tasks[Int(number / 10_000 % UInt64(tasks.count))]
        let result = Payload("\"stray\"")
        let message = Message(
            id: MessageID("stray-\(number)"), instanceID: state.id,
            executionID: isOtherExecution ? ExecutionID("another-execution") : state.executionID,
            dispatch: isOtherExecution ? 1 : 77,
            event: HistoryEvent(
                timestamp: hub.brokerClock.now(),
                kind: isChilds
                    ? .subOrchestrationCompleted(taskID: task, result: result)
                    : .taskCompleted(taskID: task, result: result)))
        let outgoing = hub.topology.controlMessage(
            [message], to: state.id.partition(of: hub.plan.partitionCount), through: .control,
            at: hub.brokerClock.now())
        simulator.run(in: simulator.root) { _ = Task { [stray] in _ = try? await stray.publish([outgoing]) } }
    }

    private func sendGarbage(_ number: UInt64) {
        let bytes = (0..<Int(number % 40)).map { UInt8(truncatingIfNeeded: number >> UInt64($0 % 57)) } + [0xff, 0xff]
        let partition = PartitionID(Int(number / 7 % UInt64(hub.plan.partitionCount)))
        let activities = SimulatedActivities.all
        let outgoing = OutgoingMessage(
            exchange: hub.topology.name(number % 3 == 0 ? .work : .client),
            routingKey: number % 3 == 0
                ? activities[Int(number / 3 % UInt64(activities.count))].name : hub.topology.key(partition),
            properties: MessageProperties(messageID: "garbage-\(number)", type: "Garbage"), body: bytes)
        simulator.run(in: simulator.root) {
            _ = Task { [self] in
                if let outcome = try? await stray.publish([outgoing]), outcome == [.confirmed] { garbageCount += 1 }
            }
        }
    }

    // MARK: - Queues that lose what they hold

    private func purge() {
        let (topology, broker) = (hub.topology, hub.broker)
        redrivesOwed = topology.partitions
        var count = 0
        for partition in topology.partitions {
            count += broker.purge(topology.queue(.control, partition)) { $0.exchange != topology.name(.client) }
        }
        // What must be set aside is nowhere else.
        for activity in SimulatedActivities.all {
            count += broker.purge(topology.workQueue(activity.name)) { $0.properties.type != "Garbage" }
        }
        hub.publishWatch.queuesArePurged()
        hub.trace.note("\(count) messages are lost")
    }

    /// As `dtq hub redrive` does, until each owner has answered.
    private func redrive() {
        if redrivesOwed.isEmpty { return }
        hub.publishWatch.isRedriving = true
        // What is sent again although it was not lost runs again.
        hub.disturbances.happenedToAll()
        hub.disturbances.begin(with: nil)
        let (client, node) = hub.makeClient("operator", makeID: { [ids = Counter()] in "operator-\(ids.next())" })
        simulator.schedule(after: .zero, in: node) { [self] in
            _ = Task {
                while !redrivesOwed.isEmpty {
                    let outcomes = (try? await client.redrive()) ?? []
                    for outcome in outcomes where outcome.redriven != nil {
                        redrivesOwed.removeAll { $0 == outcome.partition }
                    }
                    if !redrivesOwed.isEmpty { await client.clock.sleep(for: .milliseconds(500)) }
                }
                hub.trace.note("all owners have sent again what is pending")
                await client.close()
            }
        }
    }

    // MARK: - The end of all faults

    /// Mends everything, and lets code that fits run everywhere.
    private func mend() {
        isOver = true
        hub.trace.note("all faults end")
        hub.broker.setFaults(.none)
        hub.broker.unblockPublishers()
        hub.broker.start()
        hub.storageFaults.mend()
        hub.disk?.mend()
        for worker in hub.workers {
            hub.callFaults.heal(worker.name)
            wake(worker)
        }
        redrive()
        for place in hub.places.indices {
            guard let worker = hub.worker(at: place) else {
                hub.free(place)
                hub.startWorker(at: place, .original)
                continue
            }
            if [.divergent, .missing, .trapping].contains(worker.variant) {
                replace(worker, at: place, by: .original, isDrained: true, after: .milliseconds(5))
            }
        }
    }
}
