import DurableCore

/// What the log of one worker process tells.
package enum WorkerLog {
    /// - Returns: Tenures in order of their beginning.
    package static func tenures(in log: String, worker: Int32) -> [Tenure] {
        var tenures: [Tenure] = []
        for line in log.split(separator: "\n") {
            let isServing = line.hasSuffix("serving the partition")
            guard isServing || line.hasSuffix("released the partition") else { continue }
            let words = line.split(separator: " ")
            func value(_ key: String) -> Substring? {
                words.first { $0.hasPrefix(key + "=") }.map { $0.dropFirst(key.count + 1) }
            }
            guard let time = words.first.flatMap({ Timestamp(iso8601: String($0)) }),
                let partition = value("partition").flatMap({ Int($0) }), let epoch = value("epoch").flatMap(Epoch.init)
            else { continue }
            if isServing {
                tenures.append(
                    Tenure(partition: PartitionID(partition), worker: worker, epoch: epoch, serving: time))
            } else if let index = tenures.lastIndex(where: { $0.partition.index == partition && $0.epoch == epoch }) {
                tenures[index].released = time
                tenures[index].idle = .milliseconds(value("idleMilliseconds").flatMap { Int64($0) } ?? 0)
            }
        }
        return tenures
    }

    /// - Returns: When publishes ended because the broker did not answer them.
    package static func unanswered(in log: String, worker: Int32) -> [Injection] {
        log.split(separator: "\n").filter { $0.contains("the broker has not answered a publish") }.compactMap { line in
            Timestamp(iso8601: String(line.prefix { $0 != " " }))
                .map { Injection(.unanswered, worker: worker, from: $0) }
        }
    }
}

extension Epoch {
    /// - Parameter text: `GENERATION.OFFSET`.
    fileprivate init?(_ text: Substring) {
        let numbers = text.split(separator: ".")
        guard numbers.count == 2, let generation = UInt32(numbers[0]), let offset = UInt64(numbers[1]) else {
            return nil
        }
        self.init(generation: generation, offset: offset)
    }
}
