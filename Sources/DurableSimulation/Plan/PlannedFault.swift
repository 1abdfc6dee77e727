import DurableCore
package import DurableMemory

/// One thing that goes wrong in a run, and when.
package struct PlannedFault: Sendable, CustomStringConvertible {
    /// From the start of the run.
    package var at: Duration
    package var kind: Kind

    package init(at: Duration, kind: Kind) {
        self.at = at
        self.kind = kind
    }

    /// `worker` is a place in the fleet, from 0: whoever has it at that time.
    package enum Kind: Sendable {
        /// The process dies between two of its jobs, that many after `at`; another takes its place.
        case crash(worker: Int, afterJobs: Int, restartAfter: Duration)
        /// All workers' machine loses power: writes that were not synchronized may be lost, and the broker finds out
        /// late.
        case losePower(restartAfter: Duration)
        /// The process stands still between two of its jobs. The broker gives up on it after a while.
        case pause(worker: Int, afterJobs: Int, duration: Duration)
        /// The same in the middle of one of its next appends to a log.
        case pauseInAppend(worker: Int, appends: Int, duration: Duration)
        case cut(worker: Int, ConnectionRole)
        /// Every call of the worker fails for a while.
        case partition(worker: Int, duration: Duration)
        /// Nothing passes between worker and broker for a while, and neither side is told.
        case stall(worker: Int, duration: Duration)
        /// The connection ends at one of the worker's next calls: before it arrives, or before its answer does.
        case cutAtCall(worker: Int, calls: Int, isCarriedOut: Bool)
        /// The broker refuses one of the worker's next publishes, having taken its messages or not.
        case refusePublish(worker: Int, calls: Int, isTaken: Bool)
        /// The broker refuses about every second message of the worker for a while.
        case refuseSome(worker: Int, duration: Duration)
        case restartBroker(downFor: Duration)
        case blockPublishers(duration: Duration)
        /// One of the worker's next calls to its storage fails.
        case failStorage(worker: Int, calls: Int, StorageFaultPlan.Fault)
        case fillDisk(duration: Duration)
        case jumpClock(worker: Int, by: Duration)
        /// The worker stops in order; another takes its place.
        case drain(worker: Int, restartAfter: Duration)
        /// The worker stops, in order or not; another with other code takes its place.
        case deploy(worker: Int, CodeVariant, isDrained: Bool)
        /// A completion of a task nobody waits for any more, as a worker from another age would send it.
        case strayCompletion(number: UInt64)
        /// Bytes that are no message, in a control queue or in one of tasks.
        case garbage(number: UInt64)
        /// All queues lose what waits in them, except what clients sent, which is nowhere else. When all faults have
        /// ended, owners are asked to send again what is pending.
        case purge
        /// A node of the broker's cluster goes: some workers are cut off, nothing moves for the others until queues have
        /// new leaders. `number` draws whom.
        case loseNode(number: UInt64, duration: Duration)
    }

    package var description: String {
        let place =
            switch kind {
            case .crash(let worker, let jobs, let restart): "crash w\(worker) after \(jobs) jobs, restart in \(restart)"
            case .losePower(let restart): "power loss, restart in \(restart)"
            case .pause(let worker, let jobs, let duration): "pause w\(worker) after \(jobs) jobs for \(duration)"
            case .pauseInAppend(let worker, let appends, let duration):
                "pause w\(worker) in its append \(appends) from now for \(duration)"
            case .cut(let worker, let which): "cut w\(worker) (\(which))"
            case .partition(let worker, let duration): "partition w\(worker) for \(duration)"
            case .stall(let worker, let duration): "stall w\(worker) for \(duration)"
            case .cutAtCall(let worker, let calls, let isCarriedOut):
                "cut w\(worker) \(isCarriedOut ? "after" : "before") its call \(calls) from now"
            case .refusePublish(let worker, let calls, let isTaken):
                "refuse publish \(calls) from now of w\(worker)\(isTaken ? ", taking it" : "")"
            case .refuseSome(let worker, let duration): "refuse messages of w\(worker) now and then for \(duration)"
            case .restartBroker(let down): "restart the broker, down for \(down)"
            case .blockPublishers(let duration): "block publishers for \(duration)"
            case .failStorage(let worker, let calls, let fault):
                "storage call \(calls) from now of w\(worker): \(fault)"
            case .fillDisk(let duration): "disk full for \(duration)"
            case .jumpClock(let worker, let by): "clock of w\(worker) jumps by \(by)"
            case .drain(let worker, let restart): "drain w\(worker), restart in \(restart)"
            case .deploy(let worker, let variant, let isDrained):
                "deploy \(variant) on w\(worker)\(isDrained ? "" : " after a crash")"
            case .strayCompletion: "a stray completion"
            case .garbage: "garbage"
            case .purge: "purge the queues"
            case .loseNode(_, let duration): "lose a node of the broker, standing still for \(duration)"
            }
        return "\(at): \(place)"
    }
}

extension PlannedFault {
    /// Every kind, with drawn particulars; crashes and drains more often than the others.
    private static let makers: [@Sendable (inout SeededGenerator, Int) -> Kind] = [
        { random, worker in
            .crash(
                worker: worker, afterJobs: Int(random.next() % 60),
                restartAfter: random.duration(.milliseconds(1) ... .seconds(3)))
        },
        { random, worker in
            .crash(
                worker: worker, afterJobs: Int(random.next() % 200),
                restartAfter: random.duration(.milliseconds(1) ... .seconds(1)))
        },
        { random, worker in
            .crash(
                worker: worker, afterJobs: Int(random.next() % 15),
                restartAfter: random.duration(.milliseconds(1) ... .seconds(1)))
        },
        { random, _ in .losePower(restartAfter: random.duration(.milliseconds(10) ... .seconds(2))) },
        { random, worker in
            .pause(
                worker: worker, afterJobs: Int(random.next() % 60),
                duration: random.duration(.milliseconds(200) ... .seconds(25)))
        },
        { random, worker in
            let which: [ConnectionRole] = [.both, .publishing, .consuming]
            return .cut(worker: worker, which[Int(random.next() % 3)])
        },
        { random, worker in .partition(worker: worker, duration: random.duration(.milliseconds(50) ... .seconds(12))) },
        { random, worker in .stall(worker: worker, duration: random.duration(.milliseconds(50) ... .seconds(15))) },
        { random, worker in
            .cutAtCall(worker: worker, calls: 1 + Int(random.next() % 40), isCarriedOut: random.chance(0.6))
        },
        { random, worker in
            .refusePublish(worker: worker, calls: 1 + Int(random.next() % 6), isTaken: random.chance(0.5))
        },
        { random, worker in
            .refuseSome(worker: worker, duration: random.duration(.milliseconds(50) ... .seconds(3)))
        },
        { random, _ in .restartBroker(downFor: random.duration(.milliseconds(10) ... .seconds(8))) },
        { random, _ in .blockPublishers(duration: random.duration(.milliseconds(50) ... .seconds(6))) },
        { random, worker in
            let faults: [StorageFaultPlan.Fault] = [
                .full, .unavailable(isWritten: true), .unavailable(isWritten: false),
            ]
            return .failStorage(
                worker: worker, calls: 1 + Int(random.next() % 40), faults[Int(random.next() % 3)])
        },
        { random, _ in .fillDisk(duration: random.duration(.milliseconds(50) ... .seconds(5))) },
        { random, worker in
            .jumpClock(worker: worker, by: random.duration(.seconds(-90) ... .seconds(90)))
        },
        { random, worker in .drain(worker: worker, restartAfter: random.duration(.zero ... .seconds(2))) },
        { random, worker in .drain(worker: worker, restartAfter: random.duration(.zero ... .seconds(2))) },
        { random, worker in
            let variants: [CodeVariant] = [.compatible, .compatible, .divergent, .missing, .original]
            return .deploy(
                worker: worker, variants[Int(random.next() % 5)], isDrained: random.chance(0.7))
        },
        { random, _ in .strayCompletion(number: random.next()) },
        { random, _ in .garbage(number: random.next()) },
        { random, _ in
            .loseNode(number: random.next(), duration: random.duration(.milliseconds(100) ... .seconds(5)))
        },
    ]

    /// Code that ends its worker, on all of them.
    static func drawTraps(from random: inout SeededGenerator, workerCount: Int) -> [PlannedFault] {
        (0..<workerCount).map { worker in
            PlannedFault(
                at: random.duration(.zero ... .milliseconds(500)),
                kind: .deploy(worker: worker, .trapping, isDrained: random.chance(0.5)))
        }
    }

    /// Code from before a patch on some of the workers, and other code on some of them later, as in a rolling deployment.
    static func drawChanges(from random: inout SeededGenerator, workerCount: Int) -> [PlannedFault] {
        func deploy(_ variants: [CodeVariant], _ times: ClosedRange<Duration>) -> [PlannedFault] {
            (0..<workerCount).filter { _ in random.chance(0.6) }.map { worker in
                PlannedFault(
                    at: random.duration(times),
                    kind: .deploy(
                        worker: worker, variants[Int(random.next() % UInt64(variants.count))],
                        isDrained: random.chance(0.5)))
            }
        }
        return deploy([.divergent, .compatible], .zero ... .milliseconds(300))
            + deploy([.original, .original, .compatible, .divergent], .milliseconds(200) ... .seconds(4))
    }

    /// Half of the runs in which partitions send to each other have gaps in what arrives.
    static func drawGaps(from random: inout SeededGenerator, workerCount: Int) -> [PlannedFault] {
        guard random.chance(0.5) else { return [] }
        return (0..<workerCount).map { worker in
            PlannedFault(
                at: random.duration(.zero ... .seconds(3)),
                kind: .refuseSome(worker: worker, duration: random.duration(.milliseconds(50) ... .seconds(2))))
        }
    }

    /// One run in eight loses what its queues hold, once or twice, early, where the work is.
    static func drawPurges(from random: inout SeededGenerator, until end: Duration) -> [PlannedFault] {
        guard random.chance(0.125) else { return [] }
        return (0..<1 + random.next() % 2).map { _ in
            PlannedFault(at: random.duration(.milliseconds(5)...min(end, .seconds(3))), kind: .purge)
        }
    }

    /// Draws a run's faults: some kinds, chosen for the run, so that each run is a mixture of its own.
    static func draw(from random: inout SeededGenerator, workerCount: Int, until end: Duration) -> [PlannedFault] {
        if random.chance(0.08) { return [] }
        let share = [0.15, 0.3, 0.5, 1.0][Int(random.next() % 4)]
        let chosen = makers.filter { _ in random.chance(share) }
        if chosen.isEmpty { return [] }
        let count = 1 + Int(random.next() % 14)
        // Half of the runs have their faults early, where the work is.
        let last = random.chance(0.5) ? min(end, .seconds(3)) : end
        return (0..<count).map { _ in
            PlannedFault(
                at: random.duration(.zero...last),
                kind: chosen[Int(random.next() % UInt64(chosen.count))](
                    &random, Int(random.next() % UInt64(workerCount))))
        }.sorted { $0.at < $1.at }
    }
}
