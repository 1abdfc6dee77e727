/// Which workers serve which partition: balanced, and stable when workers come and go. Every worker computes the same
/// from the same view; a stale view costs balance, never safety, since the baton decides who owns.
package enum PartitionAssignment {
    /// - Parameter workers: Those that run orchestrations, in any order.
    /// - Returns: For each partition the workers, best first: the one that should own it, the one that stands by, and
    ///   those that do so when the ones before them may be dead.
    package static func candidates(partitionCount: Int, workers: [WorkerID]) -> [[WorkerID]] {
        guard !workers.isEmpty else { return Array(repeating: [], count: partitionCount) }
        let workers = Set(workers).sorted()
        let cap = (partitionCount + workers.count - 1) / workers.count
        var load: [WorkerID: Int] = [:]
        return (0..<partitionCount).map { partition in
            let ranking = workers.map { (weight: weight(of: $0, for: partition), worker: $0) }
                .sorted { ($0.weight, $0.worker) > ($1.weight, $1.worker) }
                .map(\.worker)
            guard let owner = ranking.first(where: { load[$0, default: 0] < cap }) else { return ranking }
            load[owner, default: 0] += 1
            return [owner] + ranking.filter { $0 != owner }
        }
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
}
