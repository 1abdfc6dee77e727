import DurableCore
import Testing

@Suite("Sharing partitions among workers") struct PartitionAssignmentTests {
    private func workers(_ numbers: some Sequence<Int>) -> [WorkerID] { numbers.map { WorkerID("worker-\($0)") } }

    private func candidates(
        _ owners: [WorkerID?], _ workers: [WorkerID], standBys: [WorkerID?]? = nil
    ) -> [[WorkerID]] {
        let present = owners.indices.map { index in
            PartitionAssignment.Present(owner: owners[index], standBys: standBys?[index].map { [$0] } ?? [])
        }
        return PartitionAssignment(partitionCount: owners.count, workers: workers).candidates(present)
    }

    /// Who should own each partition, beginning with nobody.
    private func spread(_ count: Int, _ workers: [WorkerID]) -> [WorkerID?] {
        let nobody = [WorkerID?](repeating: nil, count: count)
        return candidates(nobody, workers).map(\.[0])
    }

    private func moved(_ owners: [WorkerID?], _ workers: [WorkerID]) -> Int {
        zip(owners, candidates(owners, workers).map(\.[0])).count { $0 != $1 }
    }

    @Test(arguments: [1, 2, 3, 5, 8, 11])
    func isBalanced(count: Int) {
        let owners = spread(8, workers(0..<count))
        for worker in workers(0..<count) {
            let share = owners.count { $0 == worker }
            #expect((8 / count...(8 + count - 1) / count).contains(share))
        }
    }

    @Test func doesNotDependOnTheOrderOfTheView() {
        let owners = spread(16, workers([1, 2]))
        let one = candidates(owners, workers([3, 1, 2]))
        #expect(one == candidates(owners, workers([2, 3, 1])))
        #expect(one.allSatisfy { Set($0).count == 3 && $0.count == 3 })
    }

    @Test func namesOneWorkerWithoutStandBy() {
        #expect(candidates([nil, nil], workers([7])) == [workers([7]), workers([7])])
        #expect(candidates([nil, nil], []) == [[], []])
    }

    @Test("A worker that joins gets its share, and nothing else moves", arguments: 1...12)
    func joining(count: Int) {
        let owners = spread(64, workers(0..<count))
        #expect(moved(owners, workers(0..<count)) == 0)
        #expect(moved(owners, workers(0...count)) == 64 / (count + 1))
    }

    @Test("Of one that leaves, only its partitions move", arguments: 2...12)
    func leaving(count: Int) {
        let owners = spread(64, workers(0..<count))
        let left = owners.count { $0 == WorkerID("worker-0") }
        #expect(moved(owners, workers(1..<count)) == left)
    }

    @Test("A move that is half done is gone on with", arguments: [1, 5, 11, 13, 27])
    func halfWay(stride: Int) {
        var owners = spread(32, workers(0..<2))
        let targets = candidates(owners, workers(0..<5)).map(\.[0])
        for step in 0..<32 {
            let partition = step * stride % 32
            owners[partition] = targets[partition]
            #expect(candidates(owners, workers(0..<5)).map(\.[0]) == targets)
        }
    }

    @Test("Those that stand by for a worker's partitions share them") func standBys() {
        let owners = spread(60, workers(0..<4))
        let all = candidates(owners, workers(0..<4))
        for dead in workers(0..<4) {
            let heirs = all.filter { $0[0] == dead }.map { $0[1] }
            #expect(heirs.count == 15)
            for worker in workers(0..<4) where worker != dead { #expect(heirs.count { $0 == worker } == 5) }
        }
    }

    @Test("The present owner is next after the one that should own") func presentOwner() {
        let all = candidates([WorkerID?](repeating: WorkerID("worker-2"), count: 12), workers(0..<4))
        #expect(all.count { $0[0] == WorkerID("worker-2") } == 3)
        #expect(all.allSatisfy { $0[0] == WorkerID("worker-2") || $0[1] == WorkerID("worker-2") })
    }

    @Test("Those that stand by go on doing so, and get what nobody owns") func standBysStay() {
        let owners = spread(60, workers(0..<4))
        let standBys = candidates(owners, workers(0..<4)).map { Optional($0[1]) }
        let more = candidates(owners, workers(0...4), standBys: standBys)
        // A fifth worker gets 12 partitions and stands by for 12: where neither has changed, who stands by has not.
        let changed = zip(more, standBys).count { now, before in !now.prefix(3).contains { $0 == before } }
        #expect(changed <= 12 + 5)
        let fewer = candidates(
            owners.map { $0 == WorkerID("worker-0") ? nil : $0 }, workers(1..<4), standBys: standBys)
        for (index, owner) in owners.enumerated() where owner == WorkerID("worker-0") {
            #expect(fewer[index][0] == standBys[index])
        }
    }
}
