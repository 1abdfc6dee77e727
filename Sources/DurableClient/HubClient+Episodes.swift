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

    /// Some events of an execution's history, as it holds them.
    ///
    /// - Parameters:
    ///   - position: Of the first of them.
    ///   - count: At most.
    /// - Returns: nil when the instance is in another execution by now, or is gone, or has not that many.
    package func historyPage(
        of id: InstanceID, in executionID: ExecutionID, from position: Int, count: Int
    ) async throws -> [HistoryEvent]? {
        let question = Question.history(id, after: position - 1, limit: min(options.pageSize, count))
        guard case .history(let page, executionID, _) = try await ask(question, of: partition(of: id)), !page.isEmpty
        else { return nil }
        return page
    }

    func check(version: String?) throws {
        if let defect = version.flatMap(OrchestrationCode.defect(ofVersion:)) {
            throw ClientError(.wrongArgument, "\(defect). Nothing was sent.")
        }
    }
}
