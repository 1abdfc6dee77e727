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
        let fold = try await journal()
        var claims: [PartitionID: PartitionClaim] = [:]  // look-up only
        for id in fold.known {
            let partition = fold[id]
            guard let epoch = partition.claim, let owner = partition.owner else { continue }
            claims[id] =
                partition.release.map { .released(epoch: epoch, nextDue: $0.nextDue) }
                ?? .claimed(by: owner, epoch: epoch)
        }
        return claims
    }

    /// Everything the journal says, as `claims()`; nothing when there is no journal.
    package func journal() async throws -> JournalFold {
        do throws(TransportError) {
            let journal = topology.name(.journal)
            guard let depth = try await transport.inspect(queue: journal)?.readyMessages else { return JournalFold() }
            let channel = try await transport.openChannel()
            // A young stream's depth reads 0 for seconds, and an empty one, of a hub half made, gives nothing to tell it
            // by.
            let patience: Duration = depth > 0 ? .seconds(10) : .seconds(2)
            let timeout = Task { [clock] in
                await clock.sleep(for: patience)
                if !Task.isCancelled { await channel.close() }
            }
            do throws(TransportError) {
                let fold = try await readJournal(journal, depth: UInt64(depth), on: channel)
                timeout.cancel()
                await channel.close()
                return fold
            } catch {
                timeout.cancel()
                await channel.close()
                throw error
            }
        } catch {
            throw ClientError.wrapping(error, "cannot read the journal of hub \"\(hub)\"")
        }
    }

    /// Until all there is was read; throws when the channel is closed before that, or what it needs is gone.
    private func readJournal(
        _ journal: String, depth: UInt64, on channel: any ConsumerChannel
    ) async throws(TransportError) -> JournalFold {
        // A stream's depth lags by seconds; its last chunk is given at once.
        try await channel.consume(queue: journal, consumerTag: "last", prefetch: 1000, from: .last, exclusive: false)
        var fold = JournalFold()
        var end: UInt64?
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
                } else if offset >= fold.nextOffset {
                    let isNext = try await transport.isNext(
                        offset, after: fold.nextOffset, in: journal, clock: clock)
                    fold.take(try? JournalRecord(wire: delivery.body), at: offset, isNext: isNext)
                }
            }
            if let end, fold.nextOffset >= end { break }
        }
        let isWhole = end.map { fold.nextOffset >= $0 } ?? (depth == 0)
        guard isWhole else { throw .connectionLost("it does not give its records; try again") }
        guard fold.isKnown else {
            throw .notFound(
                "its oldest records are gone, and no snapshot makes up for them. See ops/errors/DTQ1008.md")
        }
        return fold
    }
}
