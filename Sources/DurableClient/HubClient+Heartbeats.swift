package import DurableCore

extension HubClient {
    /// Tells the owner of `partition` how far activities have come.
    ///
    /// - Parameter heartbeats: Of activities of its instances.
    /// - Returns: Those that are still wanted, with what was said of them before where nothing new is.
    /// - Throws: `ClientError`, DTQ5001 when nobody answers at once.
    package func heartbeat(
        _ heartbeats: [TaskHeartbeat], of partition: PartitionID
    ) async throws -> [QueryAnswer.OpenTaskDetails] {
        switch try await ask(.heartbeat(heartbeats), of: partition, patience: .zero) {
        case .tasks(let wanted): return wanted
        case let other: throw unexpected(other, "activities that are wanted")
        }
    }
}
