import DurableBackend
import DurableClient
import DurableCore
import DurableEngine
import Logging

extension ActivityHost {
    /// Says how far activities have come, at intervals and when there are doubts, until the task is cancelled.
    func beat() async {
        while !Task.isCancelled {
            let alarm = doubtRaised.raise(after: parts.heartbeatInterval, by: parts.clock)
            await doubtRaised.wait()
            alarm.cancel()
            await sendHeartbeats()
        }
    }

    /// Says what is new of the runs, asks about those in doubt, and cancels what is not wanted any more. What nobody
    /// answers is kept for the next time.
    func sendHeartbeats() async {
        var news: [PartitionID: [TaskHeartbeat]] = [:]  // sorted before use
        for (number, run) in running.sorted(by: { $0.key < $1.key }) where !run.isCancelled {
            let details = run.heartbeat.take()
            if details == nil, !run.isDoubted { continue }
            // What is said of it from here on is another question.
            dispel(number)
            news[run.key.instanceID.partition(of: parts.topology.partitionCount), default: []].append(
                TaskHeartbeat(task: run.key, details: details))
        }
        await withTaskGroup(of: Void.self) { group in
            for (partition, heartbeats) in news.sorted(by: { $0.key < $1.key }) {
                for some in heartbeats.chunked(bytes: 1 << 20) {
                    group.addTask { await self.send(some, to: partition) }
                }
            }
        }
    }

    private func send(_ heartbeats: [TaskHeartbeat], to partition: PartitionID) async {
        do {
            let wanted = Set(try await parts.client.heartbeat(heartbeats, of: partition).map(\.task))
            cancel(Set(heartbeats.map(\.task)).subtracting(wanted))
        } catch {
            logger.debug("heartbeats of activities not taken", metadata: ["cause": "\(error)"])
            putInDoubt(Set(heartbeats.map(\.task)))
            for heartbeat in heartbeats {
                running.values.first { $0.key == heartbeat.task }?.heartbeat.putBack(heartbeat.details)
            }
        }
    }

    enum Standing {
        /// - Parameter details: Of an earlier run's newest heartbeat.
        case wanted(Payload?)
        case unwanted
    }

    /// What its owner knows of an activity that somebody may have begun before. Without an answer it is wanted, and
    /// nothing is known.
    func standing(of task: TaskMessage) async -> Standing {
        let partition = task.instanceID.partition(of: parts.topology.partitionCount)
        do {
            let question = TaskHeartbeat(task: task.key, details: nil)
            guard let known = try await parts.client.heartbeat([question], of: partition).first else {
                return .unwanted
            }
            return .wanted(known.details)
        } catch {
            logger.debug("no word of an earlier run", metadata: ["task": "\(task.key.taskID)", "cause": "\(error)"])
            return .wanted(nil)
        }
    }
}

extension [TaskHeartbeat] {
    /// In order, each part of about that size at most.
    fileprivate func chunked(bytes limit: Int) -> [[TaskHeartbeat]] {
        var (chunks, size): ([[TaskHeartbeat]], Int) = ([], limit)
        for heartbeat in self {
            let bytes = 200 + (heartbeat.details?.count ?? 0)
            if size + bytes > limit {
                chunks.append([])
                size = 0
            }
            chunks[chunks.count - 1].append(heartbeat)
            size += bytes
        }
        return chunks
    }
}
