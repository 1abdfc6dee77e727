/// Which workers serve which partition: balanced, and moving no more than it must when workers come and go. Every
/// worker computes the same from the same view; a stale view costs balance, never safety, since the baton decides.
package enum PartitionAssignment {
    /// - Parameters:
    ///   - owners: Who owns each partition now; nil: nobody, as far as is known. Those that are not among `workers` are
    ///     on their way out.
    ///   - workers: Those that run orchestrations, in any order.
    /// - Returns: For each partition the workers, best first: the one that should own it, the one that does if that is
    ///   another, the one that stands by, and those that do so when the ones before them may be dead.
    package static func candidates(owners: [WorkerID?], workers: [WorkerID]) -> [[WorkerID]] {
        let workers = Set(workers).sorted()
        guard !workers.isEmpty else { return owners.map { _ in [] } }
        let rankings = owners.indices.map { ranking(of: workers, for: $0) }
        let targets = targets(owners, workers, rankings)
        // What a worker leaves behind is shared by the others as evenly as what it had.
        var standBys: [WorkerID: Shares] = [:]  // look-up only
        return owners.indices.map { partition in
            let target = targets[partition]
            let others = rankings[partition].filter { $0 != target }
            if let owner = owners[partition], owner != target, others.contains(owner) {
                return [target, owner] + others.filter { $0 != owner }
            }
            guard !others.isEmpty else { return [target] }
            let count = targets.count { $0 == target }
            let standBy = standBys[target, default: Shares(of: count, among: others)].take(first: others)
            return [target, standBy] + others.filter { $0 != standBy }
        }
    }

    private static func targets(
        _ owners: [WorkerID?], _ workers: [WorkerID], _ rankings: [[WorkerID]]
    ) -> [WorkerID] {
        var owned: [WorkerID: [Int]] = [:]  // look-up only
        for (partition, owner) in owners.enumerated() {
            if let owner { owned[owner, default: []].append(partition) }
        }
        // Where it does not come out even, those have one more that have more now.
        var shares = Shares(
            of: owners.count,
            among: workers.sorted { (-(owned[$0]?.count ?? 0), $0) < (-(owned[$1]?.count ?? 0), $1) })
        var targets: [WorkerID?] = owners.map { _ in nil }
        for worker in workers {
            let dearest = (owned[worker] ?? []).sorted { left, right in
                (weight(of: worker, for: right), right) < (weight(of: worker, for: left), left)
            }
            for partition in dearest where shares.take(worker) { targets[partition] = worker }
        }
        return targets.enumerated().map { partition, target in target ?? shares.take(first: rankings[partition]) }
    }

    /// The workers a partition goes to, the likeliest first.
    private static func ranking(of workers: [WorkerID], for partition: Int) -> [WorkerID] {
        workers.map { (weight: weight(of: $0, for: partition), worker: $0) }
            .sorted { ($0.weight, $0.worker) > ($1.weight, $1.worker) }
            .map(\.worker)
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
