package import DurableCore
package import Foundation

/// One run of an activity of `examples/ledger`, by its own word: a line when it begins and one when it ends.
package struct LedgerRun: Hashable, Sendable {
    package var instance: String
    /// The request's event ID in the instance's history.
    package var task: String
    /// From 1; above 1 the broker gave the task out before.
    package var deliveryCount: Int
    package var worker: Int32
    package var began: Timestamp
    /// nil: it was cut off, or runs still.
    package var ended: Timestamp?
    /// The same for all runs of one request.
    package var idempotencyKey: String

    package var key: String { instance + "/" + task }

    package init(
        instance: String, task: String, deliveryCount: Int, worker: Int32, began: Timestamp, ended: Timestamp?,
        idempotencyKey: String
    ) {
        self.instance = instance
        self.task = task
        self.deliveryCount = deliveryCount
        self.worker = worker
        self.began = began
        self.ended = ended
        self.idempotencyKey = idempotencyKey
    }

    /// All runs of a ledger in order of their beginning; a file that is not there has none.
    package static func all(in file: URL) -> [LedgerRun] {
        var runs: [LedgerRun] = []
        var open: [String: Int] = [:]  // look-up only
        for line in lines(of: file) {
            let identity = "\(line.run.idempotencyKey) \(line.run.worker) \(line.run.began.millisecondsSinceEpoch)"
            if line.hasEnded, let index = open.removeValue(forKey: identity) {
                runs[index].ended = line.run.ended
            } else {
                if !line.hasEnded { open[identity] = runs.count }
                runs.append(line.run)
            }
        }
        return runs
    }

    /// Runs that ended, in the order in which they did.
    package static func ended(in file: URL) -> [LedgerRun] { lines(of: file).filter(\.hasEnded).map(\.run) }

    private static func lines(of file: URL) -> [(run: LedgerRun, hasEnded: Bool)] {
        let text = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            guard fields.count == 9, let count = Int(fields[3]), let worker = Int32(fields[4]),
                let began = Int64(fields[5])
            else { return nil }
            let run = LedgerRun(
                instance: fields[1], task: fields[2], deliveryCount: count, worker: worker,
                began: Timestamp(millisecondsSinceEpoch: began),
                ended: Int64(fields[6]).map { Timestamp(millisecondsSinceEpoch: $0) }, idempotencyKey: fields[8])
            return (run, fields[0] == "ended")
        }
    }
}
