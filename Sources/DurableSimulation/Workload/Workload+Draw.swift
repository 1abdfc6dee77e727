extension Workload {
    /// Draws a workload: mostly a few instances, at times up to about 15, of all programs or of a few. Many small runs
    /// find more than few large ones.
    ///
    /// - Parameters:
    ///   - partitionCount: Of the hub; at least 1.
    ///   - programs: What to draw from; not empty.
    ///   - included: There whatever is drawn.
    ///   - least: Instances there are, whatever is drawn.
    ///   - startsAgain: Share of instances whose ID a client starts once more, from 0 to 1.
    ///   - pauses: Share of instances that are suspended for a while, from 0 to 1.
    package static func draw(
        from generator: inout SeededGenerator, partitionCount: Int, programs: [Program] = Programs.drawn,
        including included: [Program] = [], atLeast least: Int = 1, startsAgain: Double = 0.12, pauses: Double = 0
    ) -> Workload {
        var draft = WorkloadDraft(generator: generator, partitionCount: partitionCount)
        for program in included {
            draft.beginGroup()
            program.plan(&draft)
        }
        let count = max(least, instanceCount(&draft))
        let weights = programWeights(&draft, programs)
        while draft.instances.count < count {
            var pick = draft.int(0...weights.reduce(0, +) - 1)
            for (program, weight) in zip(programs, weights) {
                if pick < weight {
                    draft.beginGroup()
                    program.plan(&draft)
                    break
                }
                pick -= weight
            }
        }
        addMeddling(&draft, startsAgain)
        addAbsent(&draft)
        addQuestions(&draft)
        if pauses > 0 { addPauses(&draft, pauses) }
        generator = draft.generator
        return Workload(
            instances: draft.instances, operations: inOrder(draft.operations), partitionCount: partitionCount)
    }

    /// Adds instances of some of the programs, drawn by a generator of their own: what was drawn before stays as it is.
    ///
    /// - Parameters:
    ///   - programs: None of those that are there already, since their instances would get the same IDs.
    ///   - share: Of the programs that are taken, from 0 to 1.
    package mutating func add(_ programs: [Program], from generator: inout SeededGenerator, share: Double = 0.4) {
        var draft = WorkloadDraft(generator: generator, partitionCount: partitionCount)
        for program in programs where draft.chance(share) {
            draft.beginGroup()
            program.plan(&draft)
        }
        Self.addMeddling(&draft, 0.12)
        generator = draft.generator
        let (firstIndex, lastGroup) = (instances.count, instances.map(\.group).max() ?? 0)
        for var instance in draft.instances {
            instance.group += lastGroup
            instances.append(instance)
        }
        // Absent ones among them: what is sent to nobody must not meet somebody.
        precondition(Set(instances.map(\.id)).count == instances.count, "programs name their instances differently")
        for var operation in draft.operations {
            switch operation.kind {
            case .start(let index, let publication):
                operation.kind = .start(instance: firstIndex + index, publication)
            case .startAgain(let index, let publication):
                operation.kind = .startAgain(instance: firstIndex + index, publication)
            default: break
            }
            operations.append(operation)
        }
        operations = Self.inOrder(operations)
    }

    /// Equal times keep the order in which they were planned.
    private static func inOrder(_ operations: [PlannedOperation]) -> [PlannedOperation] {
        operations.enumerated()
            .sorted { ($0.element.at, $0.offset) < ($1.element.at, $1.offset) }
            .map(\.element)
    }

    private static func instanceCount(_ draft: inout WorkloadDraft) -> Int {
        switch draft.int(0...24) {
        case 0...15: draft.int(1...2)
        case 16...23: draft.int(3...6)
        default: draft.int(6...14)
        }
    }

    /// Some runs are all fan-out, some all timers, most a mixture.
    private static func programWeights(_ draft: inout WorkloadDraft, _ programs: [Program]) -> [Int] {
        let messaging = Programs.messaging.map(\.name)
        var weights = Array(repeating: 0, count: programs.count)
        if draft.chance(0.15) {
            // Partitions that send to each other.
            for index in programs.indices where messaging.contains(programs[index].name) { weights[index] = 1 }
        } else if draft.chance(0.3) {
            for _ in 0..<draft.int(1...2) { weights[draft.int(0...weights.count - 1)] = 1 }
        } else {
            for index in weights.indices { weights[index] = [0, 1, 1, 2, 4][draft.int(0...4)] }
        }
        if weights.allSatisfy({ $0 == 0 }) { weights[0] = 1 }
        return weights
    }

    /// What clients do that the instances do not need: starts of IDs in use, events too early or too late, terminations.
    private static func addMeddling(_ draft: inout WorkloadDraft, _ startsAgain: Double) {
        for index in draft.instances.indices {
            let id = draft.instances[index].id
            let start = draft.startTime(of: index)
            let isPlanned = draft.instances[index].expectation.permitted != [.absent]
            if draft.instances[index].parent == nil, isPlanned, draft.chance(startsAgain) {
                draft.startAgain(index, at: start + draft.duration(.zero ... .seconds(8)))
            }
            if draft.chance(0.08), start > .zero {
                draft.raise(
                    "unasked", to: id, at: draft.duration(.zero...start), mustArrive: false)
            }
            if draft.chance(0.12) {
                // Nobody waits for it, so that it does no harm however early or late it comes.
                draft.raise(
                    "unasked", to: id, at: start + draft.duration(.zero ... .seconds(10)), mustArrive: false)
            }
        }
        for index in draft.independent where draft.chance(0.08) {
            for _ in 0..<draft.int(1...2) {
                draft.terminate(index, at: draft.startTime(of: index) + draft.duration(.zero ... .seconds(6)))
            }
        }
    }

    /// Events for nobody.
    private static func addAbsent(_ draft: inout WorkloadDraft) {
        if draft.chance(0.15) {
            draft.beginGroup()
            let nobody = draft.addAbsent()
            for _ in 0..<draft.int(1...3) {
                draft.raise("unasked", to: nobody, at: draft.duration(.zero ... .seconds(10)), mustArrive: false)
            }
        }
    }

    private static func addPauses(_ draft: inout WorkloadDraft, _ share: Double) {
        for index in draft.instances.indices {
            // A child may never come to be.
            guard draft.instances[index].parent == nil, draft.instances[index].expectation.permitted != [.absent],
                draft.chance(share)
            else { continue }
            for _ in 0..<draft.int(1...2) {
                draft.pause(
                    index, at: draft.startTime(of: index) + draft.duration(.zero ... .seconds(4)),
                    for: draft.duration(.zero ... .seconds(4)))
            }
        }
    }

    private static func addQuestions(_ draft: inout WorkloadDraft) {
        for _ in 0..<draft.int(0...6) {
            let time = draft.duration(.zero ... .seconds(10))
            // A child may never come to be.
            let instance = draft.instances[draft.int(0...draft.instances.count - 1)]
            if instance.parent != nil { continue }
            let id = instance.id
            switch draft.int(0...4) {
            case 0: draft.perform(.status(id), at: time)
            case 1: draft.perform(.history(id), at: time)
            case 2: draft.perform(.list, at: time)
            case 3: draft.perform(.counts, at: time)
            default: draft.perform(.waitForEnd(id), at: time)
            }
        }
    }
}
