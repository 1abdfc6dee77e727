package import DurableCore

/// How long things took, by the workers' own clocks: reported, never judged.
package struct Timing: Sendable {
    /// From a kill or freeze of one worker to each of its partitions being served by another.
    package var takeovers: [Duration] = []
    /// The same where several workers were killed at a time.
    package var takeoversOfSeveral: [Duration] = []
    /// From the kill of a worker to each partition having an owner and a stand-by again.
    package var recoveries: [Duration] = []
    /// Partitions of a worker that was hit and that nobody served afterwards.
    package var unserved = 0
    /// From an owner's last work to the next owner's service, where the first left in order.
    package var handovers: [Duration] = []
    /// Longest time in which no run ended, while there was work.
    package var longestStall = Duration.zero
    /// From the end of a fault that hit all workers to the next end of a run; where a node of the broker was killed, the
    /// longest time without one in the 10 s after.
    package var resumptions: [Duration] = []

    /// - Parameter until: When the last work was submitted: behind it a stall may be lack of work.
    package init(of evidence: Evidence, from start: Timestamp, until end: Timestamp) {
        let ends = evidence.runs.compactMap(\.ended).sorted()
        let marks = [start] + ends.filter { $0 > start && $0 <= end } + [ends.first { $0 > end } ?? end]
        longestStall = zip(marks, marks.dropFirst()).map { $1.since($0) }.max() ?? .zero
        let partitions = Dictionary(grouping: evidence.tenures, by: \.partition).sorted { $0.key < $1.key }.map(\.value)
        for tenures in partitions {
            for (tenure, next) in zip(tenures, tenures.dropFirst()) {
                if let released = tenure.released { handovers.append(next.serving.since(released - tenure.idle)) }
            }
        }
        for injection in evidence.injections {
            switch injection.kind {
            case .killed, .frozen, .killedTogether, .cutOff:
                guard let worker = injection.worker else { continue }
                for tenures in partitions { noteTakeover(of: tenures, from: worker, injection) }
            case .brokerStopped, .nodeKilled, .brokerBlocked, .diskFull, .copyDeleted, .unanswered:
                break
            }
            guard injection.worker == nil else { continue }
            if injection.kind == .nodeKilled {
                let end = injection.from + .seconds(10)
                let inside = ends.filter { $0 > injection.from && $0 <= end }
                let marks = [injection.from] + inside + [ends.first { $0 > end } ?? end]
                resumptions += [zip(marks, marks.dropFirst()).map { $1.since($0) }.max() ?? .zero]
                continue
            }
            if let next = ends.first(where: { $0 > injection.to }) { resumptions.append(next.since(injection.to)) }
        }
    }

    private mutating func noteTakeover(of tenures: [Tenure], from worker: Int32, _ injection: Injection) {
        guard let index = tenures.lastIndex(where: { $0.serving <= injection.from }),
            tenures[index].worker == worker, tenures[index].released.map({ $0 > injection.from }) ?? true
        else { return }
        guard index + 1 < tenures.count else {
            unserved += 1
            return
        }
        let duration = tenures[index + 1].serving.since(injection.from)
        if injection.kind == .killedTogether { takeoversOfSeveral.append(duration) } else { takeovers.append(duration) }
    }
}

extension [Duration] {
    /// Whole milliseconds; nil when there are none. `fraction` 0.5: the median.
    package func percentile(_ fraction: Double) -> Int? {
        guard !isEmpty else { return nil }
        let index = Swift.min(count - 1, Int((Double(count) * fraction).rounded(.up)) - 1)
        return Int(sorted()[Swift.max(0, index)] / .milliseconds(1))
    }
}
