import DurableEngine

extension SimulationPlan {
    /// What some runs bring together on purpose: drawn one by one, its parts seldom meet.
    enum Theme {
        /// Owners that stand still until others have taken their place, and go on then.
        case zombies
        /// Logs that go to new streams all the time, in a journal as short as can be, read by workers that just began;
        /// clients that start again what ended long ago.
        case renewals

        /// The theme of a seed: nil for most.
        init?(seed: UInt64) {
            var random = SeededGenerator(seed: seed, purpose: "theme")
            switch random.next() % 20 {
            case 0: self = .zombies
            case 1, 2: self = .renewals
            default: return nil
            }
        }
    }

    mutating func concentrate(on theme: Theme) {
        var random = SeededGenerator(seed: seed, purpose: "theme's particulars")
        workerCount = max(workerCount, 2)
        let count = 2 + Int(random.next() % 4)
        switch theme {
        case .zombies:
            // Streams take what comes, and readers judge it: what refuses a zombie's appends is the port of the others.
            if storage == .replicated { storage = .memory }
            storageLatency = .microseconds(100) ... .milliseconds(10)
            brokerPatience = random.duration(.seconds(1) ... .seconds(2))
            // So that there are stand-bys while there is work, and nothing else makes them owners.
            heartbeatInterval = .milliseconds(500)
            faults = []
            faultsEnd = max(faultsEnd, .seconds(8))
            for _ in 0..<count {
                let worker = Int(random.next() % UInt64(workerCount))
                let duration = brokerPatience + random.duration(.milliseconds(100) ... .seconds(3))
                faults.append(
                    PlannedFault(
                        at: random.duration(.seconds(1) ... .seconds(3)),
                        kind: .pauseInAppend(
                            worker: worker, appends: 1 + Int(random.next() % 4), duration: duration)))
            }
        case .renewals:
            storage = .replicated
            engine.compactionBytes = [1, 512][Int(random.next() % 2)]
            engine.batonRotation = .seconds(1)
            minimumTenure = .milliseconds(200)
            journalBytes = Self.journalBytes(share: Self.smallestJournalShare, of: workload)
            faultsEnd = max(faultsEnd, .seconds(10))
            for _ in 0..<count {
                let worker = Int(random.next() % UInt64(workerCount))
                let restart = random.duration(.milliseconds(1) ... .seconds(1))
                faults.append(
                    PlannedFault(
                        at: random.duration(.seconds(1) ... .seconds(9)),
                        kind: .crash(
                            worker: worker, afterJobs: Int(random.next() % 60), restartAfter: restart)))
            }
        }
        faults.sort { $0.at < $1.at }
    }
}
