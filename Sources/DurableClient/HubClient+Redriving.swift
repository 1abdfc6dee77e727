import DurableBackend
package import DurableCore

/// What came of asking one partition's owner to send again what is pending.
package struct RedriveOutcome: Hashable, Sendable {
    package var partition: PartitionID
    /// nil: nobody answered; `notice` says why.
    package var redriven: Redriven?
    package var notice: String?
}

extension HubClient {
    /// Asks every partition's owner to send again all tasks and messages that its log holds as pending, and to set its
    /// alarm anew.
    ///
    /// - Returns: One outcome a partition, in order.
    /// - Throws: `ClientError` when the broker is gone; DTQ1002 when queues are missing: nothing more was asked.
    package func redrive() async throws -> [RedriveOutcome] {
        try await withThrowingTaskGroup(of: RedriveOutcome.self) { group in
            for partition in topology.partitions { group.addTask { try await self.redrive(partition) } }
            var outcomes: [RedriveOutcome] = []
            for try await outcome in group { outcomes.append(outcome) }
            return outcomes.sorted { $0.partition < $1.partition }
        }
    }

    private func redrive(_ partition: PartitionID) async throws -> RedriveOutcome {
        do {
            let answer = try await ask(.redrive, of: partition, patience: .seconds(600))
            guard case .redriven(let redriven) = answer else { throw unexpected(answer, "sending again") }
            return RedriveOutcome(partition: partition, redriven: redriven)
        } catch let error as ClientError where error.code != .hubDoesNotFit && error.code != .brokerUnreachable {
            return RedriveOutcome(partition: partition, notice: error.description)
        }
    }
}
