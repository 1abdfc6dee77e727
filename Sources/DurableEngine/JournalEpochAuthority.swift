package import DurableBackend
package import DurableCore
import DurableWire

/// Epochs from the hub's journal stream: the offset of a claim is unique and rising because the broker gives it.
package struct JournalEpochAuthority: EpochAuthority {
    private let transport: any MessageTransport
    private let topology: HubTopology
    private let clock: any EngineClock
    private let makeNonce: @Sendable () -> String

    private static var patience: Duration { .seconds(10) }
    /// The journal's first and so far only generation.
    private static var generation: UInt32 { 1 }

    /// - Parameter makeNonce: A text nobody else makes, for each claim.
    package init(
        transport: any MessageTransport, topology: HubTopology, clock: any EngineClock,
        makeNonce: @escaping @Sendable () -> String
    ) {
        self.transport = transport
        self.topology = topology
        self.clock = clock
        self.makeNonce = makeNonce
    }

    package func claim(_ partition: PartitionID, by worker: WorkerID) async throws(EpochError) -> Epoch {
        let offset: UInt64?
        do {
            let channel = try await transport.openChannel()
            // Closing the channel ends the reading.
            let timeout = Task { [clock] in
                await clock.sleep(for: Self.patience)
                if !Task.isCancelled { await channel.close() }
            }
            let result = await claim(partition, by: worker, on: channel)
            timeout.cancel()
            await channel.close()
            offset = try result.get()
        } catch {
            throw (error as? EpochError) ?? .unavailable("\(error)")
        }
        guard let offset else { throw .unavailable("the claim did not come back from \(topology.name(.journal))") }
        return Epoch(generation: Self.generation, offset: offset)
    }

    private func claim(
        _ partition: PartitionID, by worker: WorkerID, on channel: any ConsumerChannel
    ) async -> Result<UInt64?, any Error> {
        do {
            let nonce = makeNonce()
            // Attached before the claim is published, so that it must come by.
            try await channel.consume(
                queue: topology.name(.journal), consumerTag: "claim", prefetch: 256, from: .last, exclusive: false)
            try await publish(.claim(partition: partition, worker: worker, nonce: nonce))
            return .success(try await offset(ofClaim: nonce, on: channel))
        } catch {
            return .failure(error)
        }
    }

    package func release(_ partition: PartitionID, epoch: Epoch, nextDue: Timestamp?) async throws(EpochError) {
        do {
            try await publish(.released(partition: partition, epoch: epoch, nextDue: nextDue))
        } catch let error as EpochError {
            throw error
        } catch {
            throw .unavailable("\(error)")
        }
    }

    private func publish(_ record: JournalRecord) async throws {
        guard try await transport.publish([topology.journalRecord(record, at: clock.now())]) == [.confirmed] else {
            throw EpochError.unavailable("the broker did not take a record for \(topology.name(.journal))")
        }
    }

    private func offset(ofClaim nonce: String, on channel: any ConsumerChannel) async throws -> UInt64? {
        for try await batch in channel.deliveries {
            for delivery in batch {
                channel.acknowledge(delivery.tag, multiple: false)
                if case .claim(_, _, nonce) = try? JournalRecord(wire: delivery.body) {
                    return delivery.streamOffset
                }
            }
        }
        return nil
    }
}
