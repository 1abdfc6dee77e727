import DurableCore
import DurableTask

extension Programs {
    /// Parents and children.
    package static let families: [Program] = [family]

    struct Kin: Codable, Sendable {
        /// nil: the one it gets by itself.
        var id: InstanceID?
        var value: Int
        var fails = false
        /// Whether its children come one after the other.
        var isInOrder = false
        var children: [Kin] = []

        /// What it comes to; nil: it fails.
        var sum: Int? {
            if fails { return nil }
            var used: Set<InstanceID> = []  // look-up only
            return children.reduce(value) { sum, child in
                if let id = child.id, !used.insert(id).inserted { return sum - 1000 }
                return sum + (child.sum ?? -1000)
            }
        }
    }

    /// A tree of instances that add up their values. Some fail, and some want an ID that a sibling has.
    private static let family = Program("Family") { _ in
        [
            Orchestration("Kin") { (kin: Kin, context: OrchestrationContext) -> Int in
                var sum = kin.value
                if kin.isInOrder {
                    for child in kin.children { sum += try await context.value(of: child) }
                } else {
                    sum += try await withThrowingTaskGroup(of: Int.self) { group in
                        for child in kin.children { group.addTask { try await context.value(of: child) } }
                        return try await group.reduce(0, +)
                    }
                }
                _ = try await context.echo("sum \(sum)")
                if kin.fails { throw Refusal(label: "kin \(kin.value)") }
                return sum
            }
        ]
    } plan: { draft in
        var names = 0
        let root = draw(&draft, depth: draft.int(1...3), &names)
        let isTerminated = draft.chance(0.2)
        let id = draft.newID("family")
        let (index, start) = draft.add(
            "Family", orchestration: "Kin", id: id, input: json(root), isIndependent: false,
            outcomes: outcomes(of: root))
        var reason: Payload??
        if isTerminated {
            draft.terminate(index, at: start + draft.duration(.zero ... .seconds(3)))
            for case .terminated(let text) in draft.instances[index].expectation.permitted { reason = .some(text) }
        }
        add(root.children, of: draft.instances[index], terminatedFor: reason, to: &draft)
        if !isTerminated, draft.chance(0.3) { terminateChild(of: root, index, from: start, in: &draft) }
    }

    /// Ends a child without children of its own from outside: its parent hears of that, if it was in time.
    private static func terminateChild(
        of root: Kin, _ parent: Int, from start: Duration, in draft: inout WorkloadDraft
    ) {
        let ids = root.children.compactMap(\.id)
        for child in root.children where child.children.isEmpty && !child.fails {
            guard let id = child.id, ids.count(where: { $0 == id }) == 1,
                let index = draft.instances.firstIndex(where: { $0.id == id })
            else { continue }
            draft.terminate(index, at: start + draft.duration(.zero ... .seconds(3)))
            if let sum = root.sum {
                draft.permit([.completed(json(sum)), .completed(json(sum - child.value - 1000))], of: parent)
            }
            return
        }
    }

    private static func draw(_ draft: inout WorkloadDraft, depth: Int, _ names: inout Int) -> Kin {
        names += 1
        var kin = Kin(value: names, fails: depth < 3 && draft.chance(0.1), isInOrder: draft.chance(0.4))
        guard depth > 0 else { return kin }
        for _ in 0..<draft.int(1...3) {
            var child = draw(&draft, depth: draft.chance(0.5) ? depth - 1 : 0, &names)
            if draft.chance(0.5) { child.id = draft.newID("kin") }
            kin.children.append(child)
            if let id = child.id, draft.chance(0.1) {
                // What it would be comes to nothing: there is one of its ID.
                names += 1
                kin.children.append(Kin(id: id, value: names))
            }
        }
        return kin
    }

    private static func outcomes(of kin: Kin) -> [Expectation.Outcome] {
        if let sum = kin.sum { return [.completed(json(sum))] }
        return [.failed(FailureDetails(describing: Refusal(label: "kin \(kin.value)")))]
    }

    /// - Parameter reason: Of the root's termination, which may come before or after any of them.
    private static func add(
        _ children: [Kin], of parent: PlannedInstance, terminatedFor reason: Payload??, to draft: inout WorkloadDraft
    ) {
        var used: Set<InstanceID> = []  // look-up only
        for (event, child) in children.enumerated() {
            let id = child.id ?? InstanceID("\(parent.startID):\(event)")
            if !used.insert(id).inserted { continue }
            var permitted = outcomes(of: child)
            if let reason { permitted += [.terminated(reason: reason), .absent] }
            let added = draft.addChild(
                "Family", orchestration: "Kin", id: id, of: parent, event: event, input: json(child),
                outcomes: permitted)
            add(child.children, of: added, terminatedFor: reason, to: &draft)
        }
    }
}

extension OrchestrationContext {
    /// What a child comes to, or a number that no sum has.
    fileprivate func value(of child: Programs.Kin) async throws -> Int {
        do {
            return try await callSubOrchestration("Kin", child, instanceID: child.id)
        } catch is SubOrchestrationFailure {
            return -1000
        }
    }
}
