import DurableBackend
import DurableCore
import DurableWire

/// Reads what a hub is: the first record of its stream, whoever wrote it.
struct DescriptorReader {
    var transport: any MessageTransport
    var hub: HubName
    var clock: any EngineClock

    /// How long an existing stream may take to deliver its first record.
    static let patience = Duration.seconds(4)

    /// - Returns: nil when there is no stream, or none of its records came in time (a creation that broke off).
    /// - Throws: `ClientError`; DTQ1002 when the record is of a newer version or no descriptor of this hub.
    func read() async throws -> HubDescriptor? {
        let subject = "cannot read the descriptor of hub \"\(hub)\""
        let stream = HubTopology(hub: hub, partitionCount: 1, queueKind: .quorum).name(.hub)
        let record: [UInt8]?
        do throws(TransportError) {
            guard try await transport.inspect(queue: stream) != nil else { return nil }
            let channel = try await transport.openChannel()
            do throws(TransportError) {
                try await channel.consume(
                    queue: stream, consumerTag: "descriptor", prefetch: 1, from: .first, exclusive: false)
                record = try await firstRecord(on: channel)
            } catch {
                await channel.close()
                throw error
            }
            await channel.close()
        } catch {
            if case .notFound = error { return nil }
            throw ClientError.wrapping(error, subject)
        }
        guard let record else { return nil }
        return try decode(record)
    }

    private func firstRecord(on channel: any ConsumerChannel) async throws(TransportError) -> [UInt8]? {
        let clock = clock
        let first = await withTaskGroup(of: Result<[UInt8]?, TransportError>.self) { group in
            group.addTask {
                do throws(TransportError) {
                    var deliveries = channel.deliveries.makeAsyncIterator()
                    return .success(try await deliveries.next(isolation: nil)?.first?.body)
                } catch {
                    return .failure(error)
                }
            }
            group.addTask {
                await clock.sleep(for: Self.patience)
                return .success(nil)
            }
            let first = await group.next() ?? .success(nil)
            group.cancelAll()
            return first
        }
        if Task.isCancelled { throw .cancelled }
        return try first.get()
    }

    private func decode(_ record: [UInt8]) throws -> HubDescriptor {
        let descriptor: HubDescriptor
        do throws(WireError) {
            descriptor = try HubDescriptor(wire: record)
        } catch .newerFormat(let found, let supported) {
            throw newer(found, supported)
        } catch {
            throw ClientError(
                .hubDoesNotFit,
                "hub \"\(hub)\": the first record of its stream is no descriptor (\(error)). Nothing was sent. "
                    + "Another program may own that name; choose another hub name.",
                cause: error)
        }
        if descriptor.formatVersion > HubDescriptor.currentFormatVersion {
            throw newer(descriptor.formatVersion, HubDescriptor.currentFormatVersion)
        }
        if descriptor.hub != hub {
            throw ClientError(
                .hubDoesNotFit,
                "hub \"\(hub)\": its stream describes a hub named \"\(descriptor.hub)\". Nothing was sent. "
                    + "Choose another hub name.")
        }
        return descriptor
    }

    private func newer(_ found: Int, _ supported: Int) -> ClientError {
        ClientError(
            .hubDoesNotFit,
            "hub \"\(hub)\" has format \(found), this program reads up to \(supported). Nothing was sent. "
                + "Use a newer version of this program.")
    }
}
