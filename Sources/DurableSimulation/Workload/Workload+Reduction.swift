import DurableCore

/// Smaller workloads for which all expectations still hold, to shrink a failing run with.
extension Workload {
    /// What can be left out by itself: instances planned together, which may wait for each other. In order.
    package var groups: [Int] {
        instances.reduce(into: []) { groups, instance in
            if groups.last != instance.group { groups.append(instance.group) }
        }
    }

    /// The instances of these groups alone, with what is done to them; questions about all stay.
    package func keeping(groups: [Int]) -> Workload {
        var kept = Workload(instances: [], operations: [], partitionCount: partitionCount)
        var newIndices: [Int: Int] = [:]
        for (index, instance) in instances.enumerated() where groups.contains(instance.group) {
            newIndices[index] = kept.instances.count
            kept.instances.append(instance)
        }
        for var operation in operations {
            switch operation.kind {
            case .start(let index, let publication):
                guard let index = newIndices[index] else { continue }
                operation.kind = .start(instance: index, publication)
            case .startAgain(let index, let publication):
                guard let index = newIndices[index] else { continue }
                operation.kind = .startAgain(instance: index, publication)
            default:
                // Entities are not among the instances.
                if let target = target(of: operation), !target.isReserved, kept.instance(target) == nil { continue }
            }
            kept.operations.append(operation)
        }
        return kept
    }

    /// Whether an instance depends on the operation; any other may be removed from `operations`.
    package func isNeeded(_ operation: PlannedOperation) -> Bool {
        switch operation.kind {
        case .start, .mend: return true
        case .raise(_, _, _, let publication): return publication.mustArrive
        case .terminate(let id, _, _), .cancel(let id, _, _):
            // Whoever ends by himself does so without it too.
            let permitted = instance(id)?.expectation.permitted ?? []
            return permitted.allSatisfy { outcome in
                switch outcome {
                case .terminated, .canceled: true
                case .completed, .completedSomehow, .failed, .failedSomehow, .open, .absent: false
                }
            }
        case .signal, .startAgain, .pause, .rewind, .update, .status, .history, .list, .counts, .waitForEnd:
            return false
        }
    }
}
