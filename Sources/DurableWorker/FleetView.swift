package import DurableCore
package import DurableEngine

/// What one worker makes of the heartbeats it hears: who owns each partition, who may be dead, and where it stands
/// itself among those that may own a partition.
package struct FleetView: Sendable {
    /// What the worker has itself.
    package struct Own: Sendable {
        package var owned: [PartitionID: Epoch] = [:]
        /// Those it could serve at once.
        package var standBy: Set<PartitionID> = []
        /// Those it waits for or owns.
        package var concerns: Set<PartitionID> = []

        package init() {}
    }

    /// What came of a look.
    package struct Look: Sendable {
        /// One for each partition.
        package var places: [PartitionPlace]
        /// A partition that is this worker's concern has a new owner: the others must hear that it lives.
        package var mustAnnounce: Bool
        /// Another look is worth it after `doubtPatience`, should nothing be heard till then.
        package var hasNewDoubts: Bool
    }

    private struct Owner: Hashable {
        var epoch: Epoch
        var worker: WorkerID
    }

    /// Who owns a partition as far as is known; nil: nobody.
    private struct Presence {
        var owner: Owner?
        /// When that was found, by the clock's uptime.
        var since: Duration
        /// Number of the heartbeat that showed it: who spoke before did not know.
        var number = 0
    }

    /// How long a doubtful worker counts as living: what it says may be on its way.
    package static var doubtPatience: Duration { .seconds(2) }

    private let worker: WorkerID
    /// Without an owner for that long, a partition is anybody's.
    private let desertion: Duration
    private let startedUptime: Duration
    private var hasLooked = false
    /// Of each partition.
    private var presence: [Presence]
    private struct Doubt {
        /// By the clock's uptime.
        var since: Duration
        /// Of the worker's last heartbeat.
        var number: Int
    }

    /// Workers that may be dead. Look-up only.
    private var doubts: [WorkerID: Doubt] = [:]
    private var assignment: PartitionAssignment
    /// What `candidates` were made of.
    private var present: [PartitionAssignment.Present] = []
    private var candidates: [[WorkerID]] = []

    /// - Parameters:
    ///   - desertion: Silence after which no heartbeat of a living worker is on its way.
    ///   - uptime: When the worker began, by its clock.
    package init(worker: WorkerID, partitionCount: Int, desertion: Duration, uptime: Duration) {
        self.worker = worker
        self.desertion = desertion
        startedUptime = uptime
        presence = Array(repeating: Presence(since: uptime), count: partitionCount)
        assignment = PartitionAssignment(partitionCount: partitionCount, workers: [])
    }

    /// - Parameters:
    ///   - living: Those heard of that are not missed yet.
    ///   - now: The clock's uptime.
    package mutating func look(at living: [HeardHeartbeat], own: Own, now: Duration) -> Look {
        let mustAnnounce = noteOwners(living, own, now)
        let hasNewDoubts = noteDoubts(living)
        let peers = living.map(\.heartbeat).filter { peer in
            peer.runsOrchestrations && (peer.state == .active || peer.state == .starting)
                && doubts[peer.worker].map { now - $0.since < Self.doubtPatience } ?? true
        }
        assign(among: peers, own)
        let places = presence.indices.map { index in
            PartitionPlace(
                partition: PartitionID(index), worker: worker, candidates: candidates[index], present: present[index],
                isDeserted: presence[index].owner == nil && now - presence[index].since >= desertion,
                isFirstDoubtful: candidates[index].first.map { doubts[$0] != nil } ?? false)
        }
        return Look(places: places, mustAnnounce: mustAnnounce, hasNewDoubts: hasNewDoubts)
    }

    /// The worker with the newest epoch owns a partition, since a dead one is believed to own its partitions for some
    /// time. One that drains owns them until it has handed them over.
    ///
    /// - Returns: Whether a partition that is this worker's concern has a new owner.
    private mutating func noteOwners(_ living: [HeardHeartbeat], _ own: Own, _ now: Duration) -> Bool {
        // What is seen at the first look may have been so for long: then nobody announces anything.
        let since = hasLooked ? now : startedUptime
        var newest = presence.map { _ in Presence(since: since) }
        func note(_ epoch: Epoch, of partition: PartitionID, by worker: WorkerID, said number: Int) {
            guard newest.indices.contains(partition.index),
                newest[partition.index].owner.map({ $0.epoch < epoch }) ?? true
            else { return }
            newest[partition.index].owner = Owner(epoch: epoch, worker: worker)
            newest[partition.index].number = hasLooked ? number : 0
        }
        let last = living.map(\.number).max() ?? 0
        for (partition, epoch) in own.owned { note(epoch, of: partition, by: worker, said: last + 1) }
        for heard in living {
            for owned in heard.heartbeat.partitions {
                note(owned.epoch, of: owned.partition, by: heard.heartbeat.worker, said: heard.number)
            }
        }
        var isConcerned = false
        for (index, found) in newest.enumerated() where presence[index].owner != found.owner {
            presence[index] = found
            if found.owner != nil, own.concerns.contains(PartitionID(index)) { isConcerned = true }
        }
        hasLooked = true
        return isConcerned
    }

    /// A worker that lives says so at once when a partition it owned or stands by for has a new owner. One that has not
    /// may be dead, long before it is missed for its silence.
    private mutating func noteDoubts(_ living: [HeardHeartbeat]) -> Bool {
        var found: [WorkerID: Doubt] = [:]
        for heard in living {
            let peer = heard.heartbeat
            // One more change of owners makes who is still silent no less doubtful.
            let before = doubts[peer.worker].flatMap { $0.number == heard.number ? $0.since : nil }
            for partition in peer.partitions.map(\.partition) + (peer.standBy ?? [])
            where presence.indices.contains(partition.index) {
                let now = presence[partition.index]
                guard let owner = now.owner, owner.worker != peer.worker, now.number > heard.number else { continue }
                let since = min(now.since, before ?? now.since, found[peer.worker]?.since ?? now.since)
                found[peer.worker] = Doubt(since: since, number: heard.number)
            }
        }
        defer { doubts = found }
        return found.contains { doubts[$0.key]?.number != $0.value.number }
    }

    private mutating func assign(among peers: [WorkerHeartbeat], _ own: Own) {
        var now = presence.map { PartitionAssignment.Present(owner: $0.owner?.worker) }
        for partition in own.standBy { now[partition.index].standBys.append(worker) }
        for peer in peers where peer.state == .active {
            for partition in peer.standBy ?? [] where now.indices.contains(partition.index) {
                now[partition.index].standBys.append(peer.worker)
            }
        }
        for index in now.indices { now[index].standBys.sort() }
        let workers = (peers.map(\.worker) + [worker]).sorted()
        if assignment.workers != workers {
            assignment = PartitionAssignment(partitionCount: presence.count, workers: workers)
        } else if now == present {
            return
        }
        present = now
        candidates = assignment.candidates(now)
    }
}

/// Where a worker stands among those that may own a partition.
package struct PartitionPlace: Sendable {
    package let partition: PartitionID
    package let worker: WorkerID
    /// Best first.
    package let candidates: [WorkerID]
    package let present: PartitionAssignment.Present
    /// Whether nobody has owned it for long: then whoever waits is welcome.
    package let isDeserted: Bool
    /// Whether the first may be dead.
    package let isFirstDoubtful: Bool

    package var isFirst: Bool { candidates.first == worker }

    /// Whether it should wait although it is not the first.
    package var isNeeded: Bool { isNear && !isSpare || isDeserted }

    /// Whether one before it stands by. While nobody owns the partition that one may be dead.
    package var isSpare: Bool {
        present.owner != nil && candidates[..<index].contains { $0 != present.owner && present.standBys.contains($0) }
    }

    /// Whether the first could serve the partition at once, and no other one waits for it: the broker gives the
    /// partition to whoever waited longest.
    package var isFirstAlone: Bool { !isFirstDoubtful && present.standBys.elementsEqual(candidates.prefix(1)) }

    /// Whether it is the owner or the next after it: those before may be dead.
    private var isNear: Bool { index <= 1 + (present.owner.flatMap(candidates.firstIndex) ?? 0) }

    private var index: Int { candidates.firstIndex(of: worker) ?? candidates.endIndex }
}
