package import DurableCore

extension HubClient {
    /// Starts an instance again: with the name, input, version and tags of the one of that ID, as they are now. One that
    /// has continued as new is started with the input of its last execution; one that another instance called has no
    /// parent when it is started again.
    ///
    /// - Parameters:
    ///   - newID: nil: a UUID. The same: the instance of that ID gives way, as far as `idReuse` says so.
    ///   - idReuse: What to do where there is an instance of the new ID.
    /// - Returns: nil when there is no such instance.
    /// - Throws: `ClientError`: nothing was started, or (DTQ4005) that is unknown.
    package func restart(
        _ id: InstanceID, as newID: InstanceID? = nil, idReuse: IDReuse = .refuse
    ) async throws -> Submission? {
        guard let instance = try await status(of: id) else { return nil }
        // What is stored belongs to that instance: the new one gets its own.
        let input = try await opened(instance.input, "the input of instance \(id)")
        return try await start(
            StartRequest(
                name: instance.name, id: newID, input: input, version: instance.version, tags: instance.tags,
                idReuse: idReuse))
    }
}
