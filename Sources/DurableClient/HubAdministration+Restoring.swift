import DurableBackend
package import DurableCore

extension HubAdministration {
    /// Makes a new hub, with partitions that `fill` makes: logs or files. Nobody can own a partition before all are made.
    ///
    /// - Parameter fill: Called once the hub's queues are there.
    /// - Throws: `ClientError` DTQ1002 when a hub of that name is there: nothing was changed. What `fill` throws: what was
    ///   made is removed again, or the text says how.
    package func restore(
        _ request: Request, hubID: String, filling fill: (HubDescriptor) async throws -> Void
    ) async throws -> HubDescriptor {
        let reader = DescriptorReader(transport: transport, hub: hub, clock: clock)
        if let existing = try await reader.read() { throw isThere(existing) }
        let descriptor = try await settle(request, hubID: hubID)
        // Somebody made it just now.
        if descriptor.hubID != hubID { throw isThere(descriptor) }
        do {
            do throws(TransportError) {
                try await transport.declare(descriptor.topology.everythingButLogs)
            } catch {
                throw ClientError.wrapping(error, "cannot declare hub \"\(hub)\"")
            }
            try await fill(descriptor)
            try await placeBatons(
                descriptor,
                descriptor.topology.partitions.map { _ in LogStream(name: "", isFirst: false, leftovers: []) })
        } catch {
            throw await removed(descriptor, after: error)
        }
        return descriptor
    }

    /// Returns when everybody finds the logs that the journal names: reading its last records may take a second.
    package func waitForLogs(of descriptor: HubDescriptor) async throws {
        for _ in 0..<50 {
            if try await logStreams(of: descriptor).allSatisfy({ !$0.isFirst }) { return }
            await clock.sleep(for: .milliseconds(200))
        }
        throw ClientError(
            .brokerUnreachable,
            "hub \"\(hub)\" was not restored: its journal does not show what was written to it. The backup is as it was. "
                + "Check the broker (dtq doctor), then restore again.")
    }

    private func isThere(_ descriptor: HubDescriptor) -> ClientError {
        ClientError(
            .hubDoesNotFit,
            "hub \"\(hub)\" is there already (\(descriptor.hubID), \(descriptor.partitionCount) partitions): a backup is "
                + "restored into a new hub only. Nothing was changed. Choose another name with --hub, or remove the one "
                + "that is there with dtq hub delete --hub \(hub).")
    }

    private func removed(_ descriptor: HubDescriptor, after error: any Error) async -> any Error {
        do {
            // Nobody works for it yet. Its journal names its logs, and is gone after this.
            let logs = try await logStreams(of: descriptor).flatMap { [$0.name] + $0.leftovers }
            try await transport.delete(queues: logs, exchanges: [])
            let (everything, last) = (descriptor.topology.everythingButLogs, descriptor.topology.bootstrap)
            try await transport.delete(
                queues: everything.queues.map(\.name).filter { $0 != descriptor.topology.name(.hub) },
                exchanges: everything.exchanges.map(\.name).filter { $0 != descriptor.topology.name(.hub) })
            if descriptor.logMode == .local {
                do throws(StoreError) {
                    try storage.remove(descriptor)
                } catch {
                    // Those of another hub were in the way, and stay.
                    guard case .foreign = error else { throw error }
                }
            }
            try await transport.delete(queues: last.queues.map(\.name), exchanges: last.exchanges.map(\.name))
            return error
        } catch let second {
            guard let error = error as? ClientError else { return error }
            return ClientError(
                error.code,
                "\(error.text) What was made of hub \"\(hub)\" could not be removed (\(second)): remove it with dtq hub "
                    + "delete --hub \(hub), then restore again.",
                cause: error)
        }
    }
}
