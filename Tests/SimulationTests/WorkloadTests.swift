import DurableCore
import DurableSimulation
import DurableTask
import Testing

@Suite("Workload") struct WorkloadTests {
    static func draw(_ seed: UInt64, partitions: Int = 4, programs: [Program] = Programs.drawn) -> Workload {
        var generator = SeededGenerator(seed: seed, purpose: "workload")
        return Workload.draw(
            from: &generator, partitionCount: partitions, programs: programs, pauses: seed % 3 == 0 ? 0.5 : 0)
    }

    @Test("Is the same for the same seed, another for another") func repeats() {
        for seed: UInt64 in 0..<50 { #expect(Self.draw(seed) == Self.draw(seed)) }
        #expect(Self.draw(1) != Self.draw(2))
    }

    @Test("2,000 seeds meet every program, every operation, small runs and large ones") func coverage() {
        var programs: [String: Int] = [:]
        var operations: [String: Int] = [:]
        var sizes: [Int] = []
        var partitions: [PartitionID: Int] = [:]
        var copies: [Int: Int] = [:]
        var hasSeen = (long: false, delayed: false, version: false, absent: false, open: false, crossing: false)
        for seed: UInt64 in 0..<2000 {
            let workload = Self.draw(seed)
            sizes.append(workload.instances.count)
            for instance in workload.instances {
                programs[instance.program, default: 0] += 1
                partitions[instance.id.partition(of: 4), default: 0] += 1
                if instance.startDelay != nil { hasSeen.delayed = true }
                if instance.version != nil { hasSeen.version = true }
                if instance.expectation.permitted == [.absent] { hasSeen.absent = true }
                if instance.expectation.permitted == [.open] { hasSeen.open = true }
                #expect(instance.id.defect == nil)
            }
            for operation in workload.operations {
                operations[operation.typeName, default: 0] += 1
                if let publication = operation.publication { copies[publication.copies, default: 0] += 1 }
                if operation.at > .seconds(60) { hasSeen.long = true }
            }
            let ids = workload.operations.compactMap(\.publication?.messageID)
            #expect(Set(ids).count == ids.count)
            #expect(Set(workload.instances.map(\.id)).count == workload.instances.count)
            #expect(workload.operations.map(\.at) == workload.operations.map(\.at).sorted())
        }
        for program in Programs.drawn { #expect(programs[program.name, default: 0] > 50, "\(program.name)") }
        let kinds = [
            "start", "startAgain", "raise", "terminate", "pause", "status", "history", "list", "counts", "waitForEnd",
        ]
        for kind in kinds { #expect(operations[kind, default: 0] > 100, "\(kind)") }
        for count in 1...3 { #expect(copies[count, default: 0] > 100) }
        #expect(partitions.count == 4)
        sizes.sort()
        #expect((2...5).contains(sizes[1000]), "median \(sizes[1000])")
        #expect(sizes[0] == 1 && sizes[1999] <= 34, "\(sizes[0]) to \(sizes[1999])")
        #expect(hasSeen.long && hasSeen.delayed && hasSeen.version && hasSeen.absent && hasSeen.open)
    }

    @Test("Works on one partition, and on many", arguments: [1, 2, 64]) func partitionCounts(_ count: Int) {
        for seed: UInt64 in 0..<20 {
            let workload = Self.draw(seed, partitions: count)
            #expect(!workload.instances.isEmpty)
        }
    }

    @Test("A run of one program alone ends as expected", arguments: Programs.all.map(\.name))
    func alone(program: String) {
        let registry = Programs.replayRegistry()
        let programs = Programs.all.filter { $0.name == program }
        var untouched = 0
        for seed: UInt64 in 0..<4 {
            var generator = SeededGenerator(seed: seed, purpose: "workload")
            let workload = Workload.draw(from: &generator, partitionCount: 4, programs: programs)
            var hub = WorkloadHub(workload, seed: seed, registry: registry)
            hub.run()
            let violations = WorkloadChecks.violations(
                of: workload, snapshots: hub.snapshots, histories: hub.histories, voidEnds: hub.voidEnds,
                programs: registry)
            let entities = hub.states.values.filter(\.id.isReserved)
            let amiss = EntityChecks.violations(of: entities, histories: hub.histories, in: workload)
            #expect(hub.failures + violations + amiss == [], "seed \(seed)")
            untouched += hub.snapshots.values.count { $0.status != .terminated }
        }
        #expect(untouched > 0)
    }

    @Test("Programs added later leave what was drawn as it is, and each of them is met") func additions() {
        let registry = Programs.replayRegistry()
        var met: [String: Int] = [:]
        for seed: UInt64 in 0..<60 {
            let before = Self.draw(seed)
            var workload = before
            var generator = SeededGenerator(seed: seed, purpose: "additions")
            workload.add(Programs.recoveries + Programs.patches, from: &generator)
            #expect(
                workload.keeping(groups: before.groups).operations.filter { $0.publication != nil }
                    == before.operations.filter { $0.publication != nil })
            #expect(Array(workload.instances.prefix(before.instances.count)) == before.instances)
            #expect(Set(workload.instances.map(\.id)).count == workload.instances.count)
            #expect(workload.operations.map(\.at) == workload.operations.map(\.at).sorted())
            for instance in workload.instances.dropFirst(before.instances.count) {
                met[instance.program, default: 0] += 1
            }
            var hub = WorkloadHub(workload, seed: seed, registry: registry)
            hub.run()
            let violations = WorkloadChecks.violations(
                of: workload, snapshots: hub.snapshots, histories: hub.histories, programs: registry)
            #expect(hub.failures + hub.wrongVerdicts + violations == [], "seed \(seed)")
        }
        for program in Programs.recoveries + Programs.patches {
            #expect(met[program.name, default: 0] > 5, "\(program.name)")
        }
    }

    @Test("A reduced workload ends as expected too") func reductions() {
        let registry = Programs.replayRegistry()
        for seed: UInt64 in 0..<60 {
            let whole = Self.draw(seed)
            #expect(whole.keeping(groups: whole.groups) == whole)
            var generator = SeededGenerator(seed: seed, purpose: "reduction")
            var workload = whole.keeping(groups: whole.groups.filter { _ in generator.chance(0.5) })
            #expect(workload.instances.count <= whole.instances.count)
            workload.operations = workload.operations.filter { whole.isNeeded($0) || generator.chance(0.3) }
            var hub = WorkloadHub(workload, seed: seed, registry: registry)
            hub.run()
            let violations = WorkloadChecks.violations(
                of: workload, snapshots: hub.snapshots, histories: hub.histories, programs: registry)
            #expect(hub.failures + hub.wrongVerdicts + violations == [], "seed \(seed)")
        }
    }

    @Test("Each instance ends as expected where nothing goes wrong, and its history passes", arguments: 0..<12)
    func faultFree(part: UInt64) {
        let registry = Programs.replayRegistry()
        for seed in (part * 10)..<(part * 10 + 10) {
            let workload = Self.draw(seed)
            var hub = WorkloadHub(workload, seed: seed, registry: registry)
            hub.run()
            #expect(hub.wrongVerdicts == [], "seed \(seed)")
            #expect(hub.failures == [], "seed \(seed)")
            let violations = WorkloadChecks.violations(
                of: workload, snapshots: hub.snapshots, histories: hub.histories, programs: registry)
            #expect(violations == [], "seed \(seed)")
        }
    }
}
