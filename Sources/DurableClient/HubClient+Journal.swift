import DurableBackend
package import DurableCore
import DurableWire

/// What the hub's journal says last of a partition.
package enum PartitionClaim: Hashable, Sendable {
    /// A worker claimed it and has not released it: it owns the partition, or died with it.
    case claimed(by: WorkerID, epoch: Epoch)
    /// Its owner left in order. `nextDue`: its earliest timer; nil: it has none.
    case released(epoch: Epoch, nextDue: Timestamp?)

    /// When a partition that nobody owns needs a worker; nil: not before a message comes, or unknown.
    package var nextDue: Timestamp? {
        if case .released(_, let nextDue) = self { nextDue } else { nil }
    }
}

extension HubClient {
    /// The last word of the journal on each partition that was ever claimed. Needs no worker.
    ///
    /// Reads the journal from its start. A record of the last second may be missing.
    /// - Throws: `ClientError`; DTQ4003 when this broker user may not read the journal.
    package func claims() async throws -> [PartitionID: PartitionClaim] {
        do throws(TransportError) {
            let journal = topology.name(.journal)
            guard let depth = try await transport.inspect(queue: journal)?.readyMessages, depth > 0 else { return [:] }
            let channel = try await transport.openChannel()
            let timeout = Task { [clock] in
                await clock.sleep(for: .seconds(10))
                if !Task.isCancelled { await channel.close() }
            }
            do throws(TransportError) {
                let claims = try await readJournal(journal, depth: UInt64(depth), on: channel)
                timeout.cancel()
                await channel.close()
                return claims
            } catch {
                timeout.cancel()
                await channel.close()
                throw error
            }
        } catch {
            throw ClientError.wrapping(error, "cannot read the journal of hub \"\(hub)\"")
        }
    }

    private func readJournal(
        _ journal: String, depth: UInt64, on channel: any ConsumerChannel
    ) async throws(TransportError) -> [PartitionID: PartitionClaim] {
        // A stream's depth lags by seconds; its last chunk is given at once.
        try await channel.consume(queue: journal, consumerTag: "last", prefetch: 1000, from: .last, exclusive: false)
        var claims: [PartitionID: PartitionClaim] = [:]  // look-up only
        var end: UInt64?
        var next: UInt64 = 0
        for try await batch in channel.deliveries {
            for delivery in batch {
                channel.acknowledge(delivery.tag, multiple: false)
                guard let offset = delivery.streamOffset else { continue }
                if delivery.consumerTag == "last" {
                    if end == nil {
                        try await channel.consume(
                            queue: journal, consumerTag: "all", prefetch: 1000, from: .first, exclusive: false)
                    }
                    end = max(end ?? depth, offset + 1)
                } else {
                    next = offset + 1
                    if let record = try? JournalRecord(wire: delivery.body) { record.note(at: offset, in: &claims) }
                }
            }
            if let end, next >= end { break }
        }
        return claims
    }
}

extension JournalRecord {
    /// A release counts only for the claim it ends: that of an owner superseded meanwhile comes too late.
    fileprivate func note(at offset: UInt64, in claims: inout [PartitionID: PartitionClaim]) {
        switch self {
        case .claim(let partition, let worker, _):
            claims[partition] = .claimed(by: worker, epoch: Epoch(generation: 1, offset: offset))
        case .released(let partition, let epoch, let nextDue):
            if case .claimed(_, epoch) = claims[partition] {
                claims[partition] = .released(epoch: epoch, nextDue: nextDue)
            }
        }
    }
}
