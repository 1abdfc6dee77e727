/// Which workers serve which partition: balanced, and moving no more than it must when workers come and go. Every
/// worker computes the same from the same view; a stale view costs balance, never safety, since the baton decides.
package struct PartitionAssignment: Sendable {
    /// What is known of a partition now.
    package struct Present: Hashable, Sendable {
        /// nil: nobody, as far as is known. One that is not among the workers is on its way out.
        package var owner: WorkerID?
        /// Those that stand by for it.
        package var standBys: [WorkerID]

        package init(owner: WorkerID? = nil, standBys: [WorkerID] = []) {
            self.owner = owner
            self.standBys = standBys
        }
    }

    package let workers: [WorkerID]
    /// For each partition the workers it goes to, the likeliest first.
    private let rankings: [[WorkerID]]

    /// - Parameter workers: Those that run orchestrations, in any order.
    package init(partitionCount: Int, workers: some Sequence<WorkerID>) {
        let workers = Set(workers).sorted()
        self.workers = workers
        rankings = (0..<partitionCount).map { partition in
            workers.map { (weight: Self.weight(of: $0, for: partition), worker: $0) }
                .sorted { ($0.weight, $0.worker) > ($1.weight, $1.worker) }
                .map(\.worker)
        }
    }

    /// - Parameter present: What is known of each partition.
    /// - Returns: For each partition the workers, best first: the one that should own it, the one that does if that is
    ///   another, the one that stands by, and those that do so when the ones before them may be dead.
    package func candidates(_ present: [Present]) -> [[WorkerID]] {
        guard !workers.isEmpty else { return rankings }
        let targets = targets(present)
        let standBys = standBys(present, targets)
        return rankings.indices.map { partition in
            let owner = present[partition].owner.flatMap { workers.contains($0) ? $0 : nil }
            var first = [targets[partition]]
            for case let worker? in [owner, standBys[partition]] where !first.contains(worker) { first.append(worker) }
            return first + rankings[partition].filter { !first.contains($0) }
        }
    }

    private func targets(_ present: [Present]) -> [WorkerID] {
        var owned: [WorkerID: [Int]] = [:]  // look-up only
        for (partition, present) in present.enumerated() {
            if let owner = present.owner { owned[owner, default: []].append(partition) }
        }
        // Where it does not come out even, those have one more that have more now.
        var shares = Shares(
            of: present.count,
            among: workers.sorted { (-(owned[$0]?.count ?? 0), $0) < (-(owned[$1]?.count ?? 0), $1) })
        var targets: [WorkerID?] = present.map { _ in nil }
        for worker in workers {
            let dearest = (owned[worker] ?? []).sorted { left, right in
                (Self.weight(of: worker, for: right), right) < (Self.weight(of: worker, for: left), left)
            }
            for partition in dearest where shares.take(worker) { targets[partition] = worker }
        }
        // Who stands by has a copy.
        for partition in targets.indices where targets[partition] == nil {
            targets[partition] = present[partition].standBys.first { shares.take($0) }
        }
        return targets.indices.map { targets[$0] ?? shares.take(first: rankings[$0]) }
    }

    /// What a worker leaves behind is shared by the others as evenly as what it had.
    private func standBys(_ present: [Present], _ targets: [WorkerID]) -> [WorkerID?] {
        if workers.count == 1 { return targets.map { _ in nil } }
        let owned = Dictionary(grouping: targets.indices) { targets[$0] }
        var standBys: [WorkerID?] = targets.map { _ in nil }
        for worker in workers {
            let partitions = owned[worker] ?? []
            let now = partitions.flatMap { present[$0].standBys }
            var shares = Shares(
                of: partitions.count,
                among: workers.filter { $0 != worker }
                    .sorted { left, right in
                        (-now.count { $0 == left }, left) < (-now.count { $0 == right }, right)
                    })
            for partition in partitions { standBys[partition] = present[partition].standBys.first { shares.take($0) } }
            for partition in partitions where standBys[partition] == nil {
                standBys[partition] = shares.take(first: rankings[partition])
            }
        }
        return standBys
    }

    /// Rendezvous hashing: the worker with the highest weight wins, whoever else is there.
    private static func weight(of worker: WorkerID, for partition: Int) -> UInt64 {
        var hash = FNV1a.hash("\(worker)#\(partition)".utf8)
        // FNV alone mixes the last bytes too little for a ranking.
        hash ^= hash >> 33
        hash &*= 0xff51_afd7_ed55_8ccd
        hash ^= hash >> 33
        return hash
    }

    /// Partitions that each worker may still be given: as many as any other, or one more.
    private struct Shares {
        private var open: [WorkerID: Int] = [:]  // look-up only

        init(of count: Int, among workers: [WorkerID]) {
            for (index, worker) in workers.enumerated() {
                open[worker] = count / workers.count + (index < count % workers.count ? 1 : 0)
            }
        }

        mutating func take(_ worker: WorkerID) -> Bool {
            guard let left = open[worker], left > 0 else { return false }
            open[worker] = left - 1
            return true
        }

        /// The first of `workers` that has room; there is room for one more.
        mutating func take(first workers: [WorkerID]) -> WorkerID {
            for worker in workers where take(worker) { return worker }
            preconditionFailure("shares are made for as many as are taken")
        }
    }
}
