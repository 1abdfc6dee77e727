package import DurableBackend
import DurableCore
import Logging

/// Stored payloads go with the instances, and with the executions, that needed them.
extension PartitionProcessor {
    /// What an instance that is no more leaves in the payload store.
    func storedPayloads(of entry: InstanceEntry) throws(PartitionEnd) -> [PayloadScope] {
        guard parts.payloads.hasStore else { return [] }
        let id = entry.state.id
        return [.run(id, entry.state.executionID), .sent(id, try sentPayloads(of: entry) + entry.state.inbox.stored)]
    }

    /// What nobody needs any more of what was sent to an execution that continues as new over these events. Inputs of its
    /// activities stay: one may run yet.
    func storedPayloads(
        of entry: InstanceEntry, continuing actions: [OrchestratorAction], over events: [HistoryEvent]
    ) throws(PartitionEnd) -> PayloadScope? {
        guard parts.payloads.hasStore, case .continueAsNew(_, _, _, let carriedOver)? = actions.last else { return nil }
        let kept = Set(carriedOver.compactMap { $0.input?.storedReference })
        let sent = (try sentPayloads(of: entry) + events.stored).filter { !kept.contains($0) }
        return sent.isEmpty ? nil : .sent(entry.state.id, sent)
    }

    private func sentPayloads(of entry: InstanceEntry) throws(PartitionEnd) -> [StoredPayload] {
        var (stored, position) = ([StoredPayload](), 0)
        while position < entry.flushedCount {
            let page = try recorded(entry, from: position)
            stored += page.stored
            position += page.count
        }
        return stored + entry.unflushed.stored
    }

    /// Deletes stored payloads. To be called once the record by which nobody needs them any more is durable: what is left
    /// over when the worker ends before it is done costs space and nothing else.
    package func removePayloads(_ scopes: [PayloadScope]) {
        if scopes.isEmpty { return }
        guard removals.count + scopes.count <= 100_000 else {
            return logger.warning(
                "stored payloads of instances that are no more are not deleted: as many as that wait for it already",
                metadata: ["scopes": "\(scopes.count)"])
        }
        let isBusy = !removals.isEmpty
        removals.append(contentsOf: scopes)
        if isBusy { return }
        Task { [weak self, clock = parts.clock] in
            while let pause = await self?.removePayloads() { await clock.sleep(for: pause) }
        }
    }

    /// - Returns: When to go on; nil: there is nothing left.
    private func removePayloads() async -> Duration? {
        while let scope = removals.first {
            do throws(PayloadFault) {
                try await parts.payloads.remove(scope)
            } catch {
                removalFailures += 1
                if removalFailures == 1 {
                    logger.warning(
                        "stored payloads of what is no more are deleted later: \(error.code) \(error.reason)")
                }
                return .seconds(1 << min(removalFailures, 6))
            }
            removalFailures = 0
            removals.removeFirst()
        }
        return nil
    }
}

extension [HistoryEvent] {
    /// What they refer to in the payload store.
    fileprivate var stored: [StoredPayload] { compactMap { ($0.sealedPayload ?? $0.payload)?.storedReference } }
}

extension Payload {
    fileprivate var storedReference: StoredPayload? {
        guard isInEnvelope, let envelope = try? PayloadEnvelope.read(self), envelope.layer == .reference else {
            return nil
        }
        return try? StoredPayload(envelope)
    }
}
