package import DurableCore

extension HubClient {
    /// Sends an operation to an entity: verdict `accepted` or `duplicate`.
    ///
    /// - Parameter requestID: The same ID is applied once; nil: a UUID.
    package func signal(
        _ operation: String, _ entity: EntityID, input: Payload? = nil, requestID: String? = nil
    ) async throws -> Submission {
        try check(entity)
        try check(name: operation, "an operation's name")
        let input = try encoded(input, "the input of operation \"\(operation)\" of \(entity)")
        let requestID = requestID ?? makeID()
        try check(name: requestID, "a request ID")
        let signal = EntitySignal(requestID: requestID, operation: operation, input: input)
        var message = message(to: entity.instanceID, .entityOperationSignaled(signal))
        message.id = MessageID(requestID)
        return try await submit(message)
    }

    /// Its state is as it is kept.
    ///
    /// - Returns: nil when there is no such entity.
    package func state(of entity: EntityID) async throws -> InstanceSnapshot? {
        try check(entity)
        return try await status(of: entity.instanceID)
    }

    private func check(_ entity: EntityID) throws {
        if let defect = entity.defect { throw ClientError(.wrongArgument, "\(defect). Nothing was sent.") }
    }
}
