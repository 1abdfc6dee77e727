package import DurableBackend
package import DurableCore
import DurableWire

/// Makes, checks and removes hubs.
package struct HubAdministration: Sendable {
    package var transport: any MessageTransport
    package var hub: HubName
    package var clock: any EngineClock
    /// Where the hub's files are made, in `local` log mode.
    package var storage: any HubStorage
    /// Gives message IDs, each unique: UUIDs.
    package var makeID: @Sendable () -> String

    package init(
        transport: any MessageTransport, hub: HubName, clock: any EngineClock, storage: any HubStorage,
        makeID: @escaping @Sendable () -> String = RandomID.make
    ) {
        self.transport = transport
        self.hub = hub
        self.clock = clock
        self.storage = storage
        self.makeID = makeID
    }

    /// What a new hub shall be; nil fields take the default, and fit whatever hub is there already.
    package struct Request: Hashable, Sendable {
        /// 1 to 1024; default 8.
        package var partitionCount: Int?
        /// Default `quorum`.
        package var queueKind: HubDescriptor.QueueKind?
        /// Default `replicated`.
        package var logMode: HubDescriptor.LogMode?
        /// Absolute path; `local` log mode only.
        package var dataDirectory: String?
        /// Taken when `dataDirectory` is nil and the hub is new.
        package var defaultDataDirectory: String
        /// Default 30 days.
        package var retention: Retention?

        package init(
            partitionCount: Int? = nil, queueKind: HubDescriptor.QueueKind? = nil,
            logMode: HubDescriptor.LogMode? = nil, dataDirectory: String? = nil, defaultDataDirectory: String,
            retention: Retention? = nil
        ) {
            self.retention = retention
            self.partitionCount = partitionCount
            self.queueKind = queueKind
            self.logMode = logMode
            self.dataDirectory = dataDirectory
            self.defaultDataDirectory = defaultDataDirectory
        }
    }

    /// How long instances are kept after their end.
    package enum Retention: Hashable, Sendable {
        case never
        case after(Duration)

        package static let usual = Self.after(.seconds(30 * 86_400))

        /// nil: until they are purged.
        package var span: Duration? { if case .after(let span) = self { span } else { nil } }
    }

    /// Creates the hub, or completes one that is there and fits. Safe to repeat and to race: the first descriptor wins.
    ///
    /// - Parameter hubID: A new UUID; nil: one from `makeID`.
    /// - Returns: What the hub is, and whether this call made it.
    /// - Throws: `ClientError` DTQ1002 when a hub is there that is not as asked for; DTQ4003 when the broker holds a
    ///   queue or exchange with other properties; DTQ1003 to DTQ1008 for its files.
    package func create(
        _ request: Request, hubID: String? = nil
    ) async throws -> (descriptor: HubDescriptor, isNew: Bool) {
        let hubID = hubID ?? makeID()
        let descriptor = try await settle(request, hubID: hubID)
        try check(request, against: descriptor)
        let streams = try await logStreams(of: descriptor)
        var topology = descriptor.topology.everythingButLogs
        // A log that went on in another stream must have it: an empty one in its place would be no log.
        for stream in streams where stream.isFirst { topology += descriptor.topology.log(stream.name) }
        do throws(TransportError) {
            try await transport.declare(topology)
        } catch {
            throw ClientError.wrapping(error, "cannot declare hub \"\(hub)\"")
        }
        if descriptor.logMode == .local {
            do throws(StoreError) {
                try storage.create(descriptor)
            } catch {
                throw ClientError.wrapping(error, "cannot make the files of hub \"\(hub)\"")
            }
        }
        try await placeBatons(descriptor, streams)
        return (descriptor, descriptor.hubID == hubID)
    }

    /// Removes queues, exchanges, streams and files. A removal cut short can be repeated: the descriptor goes last.
    ///
    /// - Parameters:
    ///   - activities: Whose work queues go too, besides those that live workers name.
    ///   - isForced: Go on although workers are alive.
    /// - Returns: Names of the queues removed.
    /// - Throws: `ClientError` DTQ1001 when there is no such hub, DTQ5003 when workers are alive; nothing was removed.
    package func delete(activities: [String] = [], isForced: Bool = false) async throws -> [String] {
        let descriptor = try await descriptor()
        let topology = descriptor.topology
        let workers = try await workersIfPossible(of: descriptor)
        if !workers.isEmpty && !isForced {
            throw ClientError(
                .wrongArgument,
                "hub \"\(hub)\" has live workers: \(workers.map(\.worker.value).joined(separator: ", ")). "
                    + "Nothing was removed. Stop them first, or use --force.")
        }
        let streams = try await logStreams(of: descriptor)
        let everything = topology.everythingButLogs
        let names = Set(activities + workers.flatMap { $0.activities.map(\.name) }).sorted()
        let last = topology.bootstrap
        let queues =
            everything.queues.map(\.name).filter { $0 != topology.name(.hub) } + streams.map(\.name)
            + names.map(topology.workQueue)
        let exchanges = everything.exchanges.map(\.name).filter { $0 != topology.name(.hub) }
        do throws(TransportError) {
            // Before the journal goes, which names them.
            try await transport.delete(queues: streams.flatMap { $0.leftovers + $0.archive }, exchanges: [])
            try await transport.delete(queues: queues, exchanges: exchanges)
        } catch {
            throw ClientError.wrapping(error, "cannot remove hub \"\(hub)\"")
        }
        if descriptor.logMode == .local {
            do throws(StoreError) {
                try storage.remove(descriptor)
            } catch {
                throw ClientError.wrapping(error, "cannot remove the files of hub \"\(hub)\"")
            }
        }
        do throws(TransportError) {
            try await transport.delete(queues: last.queues.map(\.name), exchanges: last.exchanges.map(\.name))
        } catch {
            throw ClientError.wrapping(error, "cannot remove hub \"\(hub)\"")
        }
        return queues + last.queues.map(\.name)
    }

    /// - Throws: `ClientError` DTQ1001 when there is no such hub.
    package func descriptor() async throws -> HubDescriptor {
        let client = try await HubClient.connect(transport: transport, hub: hub, clock: clock, makeID: makeID)
        return client.descriptor
    }

    private func client(for descriptor: HubDescriptor) -> HubClient {
        HubClient(descriptor: descriptor, transport: transport, clock: clock, makeID: makeID)
    }

    /// Half a hub has no fleet exchange to listen to, and no workers.
    private func workersIfPossible(of descriptor: HubDescriptor) async throws -> [WorkerHeartbeat] {
        do throws(TransportError) {
            guard try await transport.exchangeExists(descriptor.topology.name(.fleet)) else { return [] }
        } catch {
            throw ClientError.wrapping(error, "cannot look for workers of hub \"\(hub)\"")
        }
        return try await client(for: descriptor).workers()
    }

    /// A stream that holds a partition's log.
    struct LogStream {
        var name: String
        /// Made with the hub, not by an owner.
        var isFirst: Bool
        /// Streams of the same partition that may be there and hold nothing that counts.
        var leftovers: [String]
        /// Streams of what has ended.
        var archive: [String] = []
    }

    /// Where the logs are, in order of partitions; none in `local` log mode. A hub without journal has the first ones.
    func logStreams(of descriptor: HubDescriptor) async throws -> [LogStream] {
        guard descriptor.logMode == .replicated else { return [] }
        let journal = try await client(for: descriptor).journal()
        return descriptor.topology.partitions.map { id in
            let partition = journal[id]
            return LogStream(
                name: partition.announcement?.generation.stream ?? descriptor.topology.firstLogStream(of: id),
                isFirst: partition.announcement == nil,
                leftovers: partition.leftovers.flatMap { leftover in
                    leftover.epoch == nil
                        ? [leftover.stream]
                        : [leftover.stream] + descriptor.topology.archiveStreams(besides: leftover.stream)
                }, archive: partition.announcement?.archive.map(\.stream) ?? [])
        }
    }

    // MARK: - Creating

    /// The descriptor that counts: the one that was there, or whichever of those racing came first.
    func settle(_ request: Request, hubID: String) async throws -> HubDescriptor {
        let reader = DescriptorReader(transport: transport, hub: hub, clock: clock)
        if let existing = try await reader.read() { return existing }
        let logMode = request.logMode ?? .replicated
        let wanted = HubDescriptor(
            hubID: hubID, hub: hub, partitionCount: request.partitionCount ?? 8,
            queueKind: request.queueKind ?? .quorum, logMode: logMode,
            dataDirectory: logMode == .local ? request.dataDirectory ?? request.defaultDataDirectory : "",
            createdAt: clock.now(), retention: (request.retention ?? .usual).span)
        let client = client(for: wanted)
        do throws(TransportError) {
            try await transport.declare(wanted.topology.bootstrap)
        } catch {
            throw ClientError.wrapping(error, "cannot create hub \"\(hub)\"")
        }
        try await client.publish(
            [wanted.topology.descriptorRecord(wanted, at: clock.now())], "cannot create hub \"\(hub)\"")
        guard let first = try await reader.read() else {
            throw ClientError(
                .hubNotFound,
                "hub \"\(hub)\": its stream does not give back the descriptor just written. "
                    + "Repeat dtq hub create; if it stays so, look at the stream \(wanted.topology.name(.hub)).")
        }
        return first
    }

    func check(_ request: Request, against descriptor: HubDescriptor) throws {
        var differences: [String] = []
        func compare<Value: Equatable>(_ what: String, _ wanted: Value?, _ actual: Value) {
            if let wanted, wanted != actual { differences.append("\(what) is \(actual), asked for was \(wanted)") }
        }
        compare("partition count", request.partitionCount, descriptor.partitionCount)
        compare("queue kind", request.queueKind?.rawValue, descriptor.queueKind.rawValue)
        compare("log mode", request.logMode?.rawValue, descriptor.logMode.rawValue)
        compare("data directory", request.dataDirectory, descriptor.dataDirectory)
        compare(
            "retention", request.retention.map { Self.text($0.span) }, Self.text(descriptor.retention))
        guard !differences.isEmpty else { return }
        throw ClientError(
            .hubDoesNotFit,
            "hub \"\(hub)\" is there already and differs: \(differences.joined(separator: "; ")). "
                + "Nothing was changed. Leave the options out to use it as it is, or choose another name.")
    }

    private static func text(_ retention: Duration?) -> String { retention.map { "\($0 / .seconds(1)) s" } ?? "never" }

    /// One baton for each partition that has neither one waiting nor anyone who could hold it.
    ///
    /// Before it, the first message of the partition's log, if that is in its first stream. Only then: a log stream
    /// that came to be empty later must not be taken for a new one. And one for the journal, by whose last message its
    /// readers know where it ends.
    func placeBatons(_ descriptor: HubDescriptor, _ streams: [LogStream]) async throws {
        let (topology, client) = (descriptor.topology, client(for: descriptor))
        var missing: [PartitionID] = []
        do throws(TransportError) {
            for partition in topology.partitions {
                let own = try await transport.inspect(queue: topology.queue(.own, partition))
                if (own?.readyMessages ?? 0) == 0 && (own?.consumers ?? 0) == 0 { missing.append(partition) }
            }
        } catch {
            throw ClientError.wrapping(error, "cannot inspect the batons of hub \"\(hub)\"")
        }
        if missing.isEmpty { return }
        var first = [topology.journalRecord(.mark(makeID()), at: clock.now())]
        if descriptor.logMode == .replicated {
            first += missing.filter { streams[$0.index].isFirst }.map { partition in
                let generation = LogGeneration.first(of: descriptor, partition)
                return topology.logMessage(.generation(generation), to: generation.stream, at: clock.now())
            }
        }
        try await client.publish(first, "cannot begin the logs of hub \"\(hub)\"")
        try await client.publish(
            missing.map { topology.baton(for: $0, at: clock.now()) }, "cannot place the batons of hub \"\(hub)\"")
    }
}
