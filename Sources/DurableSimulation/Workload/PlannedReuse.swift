package import DurableCore

/// What a client does with one ID of its own: starts under it again and again, and purges what has ended.
package struct PlannedReuse: Hashable, Sendable {
    package enum Step: Hashable, Sendable {
        case pause(Duration)
        /// - `repeats`: The same message is published once more, that long after.
        case start(MessageID, input: Payload?, IDReuse, repeats: [Duration])
        case waitForEnd
        case purge
    }

    package var id: InstanceID
    package var steps: [Step]

    /// Of an orchestration that always completes.
    static let orchestration = "CustomStatus"

    package static func draw(from random: inout SeededGenerator) -> [PlannedReuse] {
        (0..<1 + Int(random.next() % 2)).map { number in
            let id = InstanceID("again-\(number)")
            let purges = random.chance(0.3)
            var steps = [Step.pause(random.duration(.zero ... .seconds(2)))]
            for start in 0..<2 + Int(random.next() % 4) {
                let input = json(
                    Programs.Steps(count: 1 + Int(random.next() % 3), milliseconds: Int(random.next() % 400)))
                // What is refused because of one that has ended is not remembered: it must not end a later one.
                let running = IDReuse.Running.allCases[Int(random.next() % 3)]
                let ended: IDReuse.Ended =
                    running == .terminate ? .allow : IDReuse.Ended.allCases[Int(random.next() % 3)]
                let repeats = random.chance(0.3) ? [random.duration(.zero ... .seconds(5))] : []
                steps.append(
                    .start(
                        MessageID("\(id).start-\(start)"), input: input,
                        start == 0 ? .refuse : IDReuse(running: running, ended: ended), repeats: repeats))
                if random.chance(0.5) { steps.append(.waitForEnd) }
                if purges, random.chance(0.5) { steps.append(.purge) }
                if random.chance(0.5) { steps.append(.pause(random.duration(.zero ... .seconds(2)))) }
            }
            return PlannedReuse(id: id, steps: steps)
        }
    }
}
