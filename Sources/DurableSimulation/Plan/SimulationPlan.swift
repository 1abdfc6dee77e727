package import DurableEngine

/// Everything about a run that its seed decides before it begins.
package struct SimulationPlan: Sendable {
    package enum Storage: String, CaseIterable, Sendable {
        /// The store's port in memory.
        case memory
        /// The real SQLite store on a simulated disk.
        case sqlite
        /// Logs in streams of the simulated broker, copies in each worker's memory.
        case replicated
    }

    package var seed: UInt64
    package var workerCount: Int
    package var partitionCount: Int
    package var storage: Storage
    package var isQuorum: Bool
    package var workload: Workload
    /// IDs that a client uses again, beside the workload.
    package var reuses: [PlannedReuse]
    /// In order of time.
    package var faults: [PlannedFault]
    /// Here everything that is broken is mended.
    package var faultsEnd: Duration
    package var engine: EngineConfiguration
    /// Messages after which a stream skips an offset.
    package var segmentMessages: Int?
    /// What the broker keeps of the journal; nil: as declared.
    package var journalBytes: Int?
    package var slots: Int
    package var partitionThreads: Int
    package var minimumTenure: Duration
    package var heartbeatInterval: Duration
    /// Whether every record goes through the wire format once more for the witness.
    package var checksWire: Bool
    package var jobCost: Duration
    package var networkLatency: ClosedRange<Duration>
    package var storageLatency: ClosedRange<Duration>
    package var latencySpikes: Double
    /// Silence of a client after which the broker gives it up: two to three heartbeats.
    package var brokerPatience: Duration
    /// Pages in SQLite's write-ahead log after which they are moved into the main file.
    package var checkpointAfterPages: Int
    /// Whether workers ship episodes to each other; those of some have only a part of the programs.
    package var sharesCode: Bool
    /// A deliberate mistake of a port.
    package var portDefect: PortDefect?

    /// Bytes of the journal for each partition, and once more: enough for the snapshots of five authors in a row.
    static var smallestJournalShare: Int { 700 }

    /// Of a journal with that share. Its records name archives, of which there may be one for each instance, and as many
    /// again for each time that ends are taken back: one of them is named four times in what must be kept, a snapshot
    /// and what comes until the next one.
    static func journalBytes(share: Int, of workload: Workload) -> Int {
        let isRewound = workload.operations.contains { if case .mend = $0.kind { true } else { false } }
        let bytes = share * (1 + workload.partitionCount) + 4 * 70 * workload.instances.count
        return isRewound ? 4 * bytes : bytes
    }

    package init(seed: UInt64) {
        self.seed = seed
        var random = SeededGenerator(seed: seed, purpose: "plan")
        // Small hubs find more in the same time; a few large ones find what needs many.
        workerCount = [1, 1, 2, 2, 2, 3, 3, 3, 4, 5][Int(random.next() % 10)]
        partitionCount = random.chance(0.015) ? 16 : [1, 1, 1, 2, 2, 2, 3, 4, 4, 8][Int(random.next() % 10)]
        storage = partitionCount <= 4 && random.chance(0.2) ? .sqlite : .memory
        var logRandom = SeededGenerator(seed: seed, purpose: "log mode")
        if storage == .memory, logRandom.chance(0.42) { storage = .replicated }
        isQuorum = random.chance(0.8)
        var loadRandom = SeededGenerator(seed: seed, purpose: "workload")
        var trapRandom = SeededGenerator(seed: seed, purpose: "traps")
        let hasTraps = trapRandom.chance(0.04)
        var familyRandom = SeededGenerator(seed: seed, purpose: "families")
        var continuingRandom = SeededGenerator(seed: seed, purpose: "continue as new")
        let included =
            (hasTraps ? [Programs.fuse] : []) + (familyRandom.chance(0.15) ? Programs.families : [])
            + (continuingRandom.chance(0.15) ? Programs.continuing : [])
        var pauseRandom = SeededGenerator(seed: seed, purpose: "suspend")
        let theme = Theme(seed: seed)
        workload = Workload.draw(
            from: &loadRandom, partitionCount: partitionCount, including: included,
            atLeast: theme == nil ? 1 : 4, startsAgain: theme == .renewals ? 0.7 : 0.12,
            pauses: pauseRandom.chance(0.12) ? 0.5 : 0)
        var recoveryRandom = SeededGenerator(seed: seed, purpose: "second thoughts")
        if recoveryRandom.chance(0.15) { workload.add(Programs.recoveries, from: &recoveryRandom) }
        var patchRandom = SeededGenerator(seed: seed, purpose: "code changes")
        let hasPatches = patchRandom.chance(0.15)
        if hasPatches { workload.add(Programs.patches, from: &patchRandom) }
        var cancelRandom = SeededGenerator(seed: seed, purpose: "called off")
        if cancelRandom.chance(0.15) { workload.add(Programs.cancellations, from: &cancelRandom) }
        var entityRandom = SeededGenerator(seed: seed, purpose: "purses and sections")
        if entityRandom.chance(0.2) { workload.add(Programs.entities, from: &entityRandom, share: 1) }
        var rewindRandom = SeededGenerator(seed: seed, purpose: "failed and rewound")
        if rewindRandom.chance(0.12) { workload.add(Programs.rewindings, from: &rewindRandom, share: 0.6) }
        var updateRandom = SeededGenerator(seed: seed, purpose: "tallies")
        if updateRandom.chance(0.12) { workload.add(Programs.updates, from: &updateRandom, share: 1) }
        var scheduleRandom = SeededGenerator(seed: seed, purpose: "schedules")
        if scheduleRandom.chance(0.08) { workload.add(Programs.schedules, from: &scheduleRandom, share: 1) }
        var reuseRandom = SeededGenerator(seed: seed, purpose: "reuse")
        reuses = reuseRandom.chance(0.12) ? PlannedReuse.draw(from: &reuseRandom) : []
        // What is long lets the broker give up on silent workers; most runs need no more than their work takes.
        faultsEnd = random.chance(0.15) ? .seconds(Int(10 + random.next() % 16)) : .seconds(Int(1 + random.next() % 8))
        var faultRandom = SeededGenerator(seed: seed, purpose: "faults")
        faults = PlannedFault.draw(from: &faultRandom, workerCount: workerCount, until: faultsEnd)
        var purgeRandom = SeededGenerator(seed: seed, purpose: "purges")
        faults += PlannedFault.drawPurges(from: &purgeRandom, until: faultsEnd)
        let messaging = Set(Programs.messaging.map(\.name))  // look-up only
        if workload.instances.contains(where: { messaging.contains($0.program) }) {
            var gapRandom = SeededGenerator(seed: seed, purpose: "gaps")
            faults += PlannedFault.drawGaps(from: &gapRandom, workerCount: workerCount)
        }
        if hasTraps {
            // Four deaths, and a start after each.
            faultsEnd = max(faultsEnd, .seconds(20))
            faults += PlannedFault.drawTraps(from: &trapRandom, workerCount: workerCount)
        }
        var codeRandom = SeededGenerator(seed: seed, purpose: "shared code")
        // Evidence of traps is kept by owners; here it would be spread over others' attempts.
        sharesCode = codeRandom.chance(0.12) && workerCount > 1 && !hasTraps
        if hasPatches { faults += PlannedFault.drawChanges(from: &patchRandom, workerCount: workerCount) }
        faults.sort { $0.at < $1.at }
        engine = EngineConfiguration()
        engine.checksReplay = random.chance(0.3)
        engine.cacheBytes = [0, 8 << 10, 64 << 10, 64 << 20][Int(random.next() % 4)]
        engine.batchLimit = [1, 2, 8, 256][Int(random.next() % 4)]
        engine.controlPrefetch = [1, 4, 64, 512][Int(random.next() % 4)]
        engine.flushBytes = [1 << 10, 16 << 10, 1 << 20][Int(random.next() % 3)]
        engine.flushInterval = random.duration(.milliseconds(1) ... .milliseconds(500))
        engine.confirmInterval = random.duration(.milliseconds(1) ... .milliseconds(100))
        engine.timerLimit = [1, 3, 10_000][Int(random.next() % 3)]
        engine.batonRotation = random.chance(0.2) ? .seconds(3) : .seconds(600)
        var compactionRandom = SeededGenerator(seed: seed, purpose: "compaction")
        engine.compactionBytes = [1, 512, 4 << 10, 32 << 10, 8 << 20][Int(compactionRandom.next() % 5)]
        var journalRandom = SeededGenerator(seed: seed, purpose: "journal")
        let journalShare = [nil, Self.smallestJournalShare, 1000][Int(journalRandom.next() % 3)]
        segmentMessages = [nil, 5, 20][Int(journalRandom.next() % 3)]
        if let journalShare { journalBytes = Self.journalBytes(share: journalShare, of: workload) }
        slots = [1, 1, 2, 8][Int(random.next() % 4)]
        partitionThreads = 1 + Int(random.next() % 2)
        minimumTenure = random.duration(.milliseconds(200) ... .seconds(10))
        jobCost = [.microseconds(1), .microseconds(20), .microseconds(500)][Int(random.next() % 3)]
        networkLatency =
            [
                .microseconds(1) ... .microseconds(10), .microseconds(50) ... .milliseconds(1),
                .microseconds(100) ... .milliseconds(20),
            ][Int(random.next() % 3)]
        storageLatency =
            [.zero ... .zero, .microseconds(50) ... .microseconds(500), .microseconds(100) ... .milliseconds(10)][
                Int(random.next() % 3)]
        latencySpikes = random.chance(0.3) ? 0.02 : 0
        heartbeatInterval = random.chance(0.3) ? .seconds(2) : .seconds(4)
        checksWire = random.chance(0.3)
        brokerPatience = random.chance(0.7) ? random.duration(.seconds(1) ... .seconds(4)) : .seconds(13)
        checkpointAfterPages = [1, 10, 100, 4000][Int(random.next() % 4)]
        if let theme { concentrate(on: theme) }
    }
}

/// A deliberate mistake outside the engine, which the checkers must find.
package enum PortDefect: String, CaseIterable, Sendable {
    /// The log takes appends of any epoch.
    case ignoresFencing
    /// The disk forgets to make synchronized writes durable.
    case ignoresSync
    /// Every so often a publish is confirmed that never reached the broker.
    case losesConfirmed
}

/// One deliberate mistake, wherever it is made.
package enum Defect: Hashable, Sendable {
    case engine(EngineDefect)
    case port(PortDefect)

    package static let all = EngineDefect.allCases.map(Defect.engine) + PortDefect.allCases.map(Defect.port)

    package var name: String {
        switch self {
        case .engine(let defect): defect.rawValue
        case .port(let defect): defect.rawValue
        }
    }

    package init?(name: String) {
        guard let defect = Self.all.first(where: { $0.name == name }) else { return nil }
        self = defect
    }
}

extension SimulationPlan {
    /// The plan of a seed, with a deliberate mistake.
    ///
    /// - Parameter storage: Instead of the one that is drawn.
    package init(seed: UInt64, defect: Defect?, storage: Storage? = nil) {
        self.init(seed: seed)
        if let storage { self.storage = storage }
        switch defect {
        case .engine(let defect): engine.defect = defect
        case .port(let defect): portDefect = defect
        case nil: break
        }
    }
}
