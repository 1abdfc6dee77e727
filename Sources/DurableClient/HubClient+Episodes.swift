package import DurableCore

/// What a worker that runs others' episodes asks their owners.
extension HubClient {
    /// Whether an episode that was delivered before may run once more: it is still waited for, and its code has not ended
    /// too many workers.
    ///
    /// - Throws: `ClientError`, DTQ5001 when the owner does not answer.
    package func mayRun(_ id: EpisodeID, build: String, of partition: PartitionID) async throws -> Bool {
        // Once: each question counts as an attempt.
        switch try await ask(.attempt(id, build: build), of: partition, patience: .zero) {
        case .mayRun(let isAllowed): return isAllowed
        case let other: throw unexpected(other, "leave to run an episode of instance \(id.instanceID)")
        }
    }

    /// Goes through the first events of an execution's history, oldest first, a page in memory at a time.
    ///
    /// - Parameter count: How many.
    /// - Returns: false when the instance is in another execution by now, or is gone.
    package func readHistory(
        of id: InstanceID, in executionID: ExecutionID, count: Int, _ body: ([HistoryEvent]) throws -> Void
    ) async throws -> Bool {
        var read = 0
        while read < count {
            let query = Question.history(id, after: read - 1, limit: min(options.pageSize, count - read))
            guard case .history(let page, let execution, _) = try await ask(query, of: partition(of: id)),
                execution == executionID, !page.isEmpty
            else { return false }
            read += page.count
            try body(page)
        }
        return read == count
    }

    func check(version: String?) throws {
        if let defect = version.flatMap(OrchestrationCode.defect(ofVersion:)) {
            throw ClientError(.wrongArgument, "\(defect). Nothing was sent.")
        }
    }
}
