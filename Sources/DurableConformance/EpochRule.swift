package import DurableBackend
internal import DurableCore

/// What an `EpochAuthority` must obey.
package enum EpochRule: String, CaseIterable, Sendable {
    case epochsAreAboveZero
    case epochsOfAPartitionRise
    case epochsRiseOverOpenings
    case concurrentClaimsGetDifferentEpochs
    case claimAfterReleaseIsHigher
    case releaseOfAnOldEpochIsHarmless

    /// - Parameter makeHub: Makes a new hub and returns what opens an authority of it; openings share its claims.
    package func verify(_ makeHub: () throws -> () throws -> any EpochAuthority) async throws {
        let open = try makeHub()
        let authority = try open()
        let (partition, worker) = (PartitionID(0), WorkerID("worker-1"))
        switch self {
        case .epochsAreAboveZero:
            let epoch = try await authority.claim(partition, by: worker)
            try StorageCheck.that(epoch > .zero && epoch.generation > 0, "the first epoch is \(epoch)")

        case .epochsOfAPartitionRise:
            var last = Epoch.zero
            for round in 0..<20 {
                let epoch = try await authority.claim(partition, by: WorkerID("worker-\(round % 3)"))
                try StorageCheck.that(epoch > last, "claim \(round) got \(epoch) after \(last)")
                last = epoch
                _ = try await authority.claim(PartitionID(1), by: worker)
            }

        case .epochsRiseOverOpenings:
            var last = Epoch.zero
            for round in 0..<5 {
                for opened in [try open(), authority] {
                    let epoch = try await opened.claim(partition, by: worker)
                    try StorageCheck.that(epoch > last, "claim in round \(round) got \(epoch) after \(last)")
                    last = epoch
                }
            }

        case .concurrentClaimsGetDifferentEpochs:
            let other = try open()
            let epochs = try await withThrowingTaskGroup(of: [Epoch].self) { group in
                for number in 0..<4 {
                    let opened = number.isMultiple(of: 2) ? authority : other
                    group.addTask {
                        var epochs: [Epoch] = []
                        for _ in 0..<10 {
                            epochs.append(try await opened.claim(partition, by: WorkerID("worker-\(number)")))
                        }
                        return epochs
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            try StorageCheck.equal(Set(epochs).count, 40, "different epochs of 40 concurrent claims")

        case .claimAfterReleaseIsHigher:
            let first = try await authority.claim(partition, by: worker)
            try await authority.release(partition, epoch: first, nextDue: SampleRecords.time(1))
            let second = try await authority.claim(partition, by: worker)
            try StorageCheck.that(second > first, "claim after release got \(second) after \(first)")

        case .releaseOfAnOldEpochIsHarmless:
            let first = try await authority.claim(partition, by: worker)
            let second = try await authority.claim(partition, by: WorkerID("worker-2"))
            try await authority.release(partition, epoch: first, nextDue: nil)
            try await authority.release(partition, epoch: second, nextDue: nil)
            let third = try await authority.claim(partition, by: worker)
            try StorageCheck.that(third > second, "claim got \(third) after \(second)")
        }
    }
}
