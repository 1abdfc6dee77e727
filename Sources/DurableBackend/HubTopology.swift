package import DurableCore

/// Every exchange, queue and stream of a task hub, from one description: names, kinds and bindings.
///
/// One exchange a queue family, the routing key is the queue's suffix: `dtq.H.control` with key `3` reaches
/// `dtq.H.control.3`. Nothing goes through the default exchange. `topology/` holds the same as broker definitions.
package struct HubTopology: Hashable, Sendable {
    package var hub: HubName
    package var partitionCount: Int
    /// `quorum`, or `classic` for a throw-away node.
    package var queueKind: QueueDescription.Kind
    /// Whether partition logs are streams (`replicated` log mode).
    package var hasLogStreams: Bool

    /// - Parameter partitionCount: 1 to 1024.
    package init(
        hub: HubName, partitionCount: Int, queueKind: QueueDescription.Kind, hasLogStreams: Bool = false
    ) {
        self.hub = hub
        self.partitionCount = partitionCount
        self.queueKind = queueKind
        self.hasLogStreams = hasLogStreams
    }

    /// One kind of queue, exchange or stream of a hub.
    package enum Family: String, CaseIterable, Sendable {
        /// Stream: descriptor and settings.
        case hub
        /// Stream: claims and releases of partitions.
        case journal
        /// Queue a partition: its one baton.
        case own
        /// Queue a partition: its alarm clock. What expires there goes to the control queue.
        case wake
        /// Exchange only: what clients send to control and query queues.
        case client
        /// Queue a partition: its control messages.
        case control
        /// Queue a partition: questions to its owner; short-lived.
        case query
        /// Queue an activity name.
        case work
        /// Exchange only: answers to clients' private queues.
        case reply
        /// Exchange only: workers' heartbeats, to everyone who listens.
        case fleet
        /// Queue: dead letters.
        case dead
        /// Stream a partition and generation: its log (`replicated` log mode).
        case log
        /// Stream a partition and generation: instances that ended (`replicated` log mode). Written through `log`.
        case archive
    }

    package func name(_ family: Family) -> String { "dtq.\(hub).\(family.rawValue)" }
    package func queue(_ family: Family, _ partition: PartitionID) -> String { "\(name(family)).\(partition)" }
    /// Queue of one activity's tasks.
    package func workQueue(_ activity: String) -> String { "\(name(.work)).\(activity)" }
    /// Stream of one generation of a partition's log. The name is never used again, so that a stale owner cannot write
    /// to a later stream.
    ///
    /// - Parameters:
    ///   - epoch: Of the owner that made it; `.zero` for the one made with the hub.
    ///   - number: Counts what that owner made, from 1.
    package func logStream(of partition: PartitionID, madeIn epoch: Epoch, number: Int) -> String {
        "\(queue(.log, partition)).\(epoch.generation)-\(epoch.offset).\(number)"
    }
    /// The log stream a partition is created with.
    package func firstLogStream(of partition: PartitionID) -> String {
        logStream(of: partition, madeIn: .zero, number: 1)
    }
    /// Routing key, on the `log` exchange, of a log stream.
    package func logKey(_ stream: String) -> String {
        let family = name(.log) + "."
        // Archive streams are bound to the same exchange, under a key that no log stream has.
        return String(stream.dropFirst(stream.hasPrefix(family) ? family.count : "dtq.\(hub).".count))
    }
    /// The stream an owner writes what has ended to while it makes `stream` for the log.
    package func archiveStream(besides stream: String) -> String { "\(name(.archive)).\(logKey(stream))" }
    /// The stream that it writes one of the archive's to again, without what was purged.
    package func rewrittenArchiveStream(besides stream: String) -> String { "\(archiveStream(besides: stream)).r" }
    /// All that an owner may write while it makes `stream` for the log.
    package func archiveStreams(besides stream: String) -> [String] {
        [archiveStream(besides: stream), rewrittenArchiveStream(besides: stream)]
    }
    /// Routing key, on the `client` exchange, of a partition's query queue.
    package func queryKey(_ partition: PartitionID) -> String { "query.\(partition)" }
    package func key(_ partition: PartitionID) -> String { String(partition.index) }

    package var partitions: [PartitionID] { (0..<partitionCount).map { PartitionID($0) } }

    /// Deliveries the broker allows before it dead-letters by itself: far above our own counting of attempts. Without
    /// any limit a quorum queue puts what is given back at its tail.
    package static let deliveryLimit = 1_000_000
    /// How long a question waits for an owner.
    package static let queryTTLMilliseconds: UInt64 = 10_000
    /// Its readers need what came since the last snapshot, which is a fraction of this.
    package static let journalRetention = StreamRetention(bytes: 16 << 20, segmentBytes: 1 << 20)

    /// What must be there before a descriptor can be read or written.
    package var bootstrap: TopologyFragment {
        TopologyFragment(
            exchanges: [ExchangeDescription(name: name(.hub), kind: .direct)],
            queues: [QueueDescription(name: name(.hub), kind: .stream)],
            bindings: [BindingDescription(exchange: name(.hub), queue: name(.hub), routingKey: "")])
    }

    /// The whole hub as it is made, `bootstrap` included, work queues of activities excluded (`work(activities:)`).
    package var everything: TopologyFragment {
        var fragment = everythingButLogs
        for partition in partitions where hasLogStreams {
            let stream = log(firstLogStream(of: partition))
            fragment.queues += stream.queues
            fragment.bindings += stream.bindings
        }
        return fragment
    }

    /// The whole hub without its log streams, of which the journal says which they are.
    package var everythingButLogs: TopologyFragment {
        var fragment = bootstrap
        for (family, kind) in [
            (Family.journal, ExchangeDescription.Kind.direct), (.own, .direct), (.client, .direct),
            (.control, .direct), (.wake, .direct), (.work, .direct), (.reply, .direct), (.fleet, .fanout),
            (.dead, .fanout),
        ] {
            fragment.exchanges.append(ExchangeDescription(name: name(family), kind: kind))
        }
        fragment.queues.append(
            QueueDescription(name: name(.journal), kind: .stream, retention: Self.journalRetention))
        fragment.bindings.append(
            BindingDescription(exchange: name(.journal), queue: name(.journal), routingKey: ""))
        fragment.queues.append(shared(name(.dead), deadLetters: false))
        fragment.bindings.append(BindingDescription(exchange: name(.dead), queue: name(.dead), routingKey: ""))
        for partition in partitions {
            let own = queue(.own, partition)
            let control = queue(.control, partition)
            let query = queue(.query, partition)
            let wake = queue(.wake, partition)
            var baton = shared(own, deadLetters: false)
            baton.isSingleActiveConsumer = true
            fragment.queues.append(baton)
            fragment.queues.append(shared(control, deadLetters: true))
            // Of the hub's kind: an owner whose query queue is on a node that is down could not consume at all.
            var questions = shared(query, deadLetters: false)
            questions.messageTTLMilliseconds = Self.queryTTLMilliseconds
            fragment.queues.append(questions)
            // Classic: a quorum queue loses expirations that fall into a restart of the broker.
            fragment.queues.append(
                QueueDescription(
                    name: wake, kind: .classic, deadLetterExchange: name(.control),
                    deadLetterRoutingKey: key(partition)))
            fragment.bindings += [
                BindingDescription(exchange: name(.own), queue: own, routingKey: key(partition)),
                BindingDescription(exchange: name(.control), queue: control, routingKey: key(partition)),
                BindingDescription(exchange: name(.client), queue: control, routingKey: key(partition)),
                BindingDescription(exchange: name(.client), queue: query, routingKey: queryKey(partition)),
                BindingDescription(exchange: name(.wake), queue: wake, routingKey: key(partition)),
            ]
        }
        if hasLogStreams { fragment.exchanges.append(ExchangeDescription(name: name(.log), kind: .direct)) }
        return fragment
    }

    /// One log stream. Without retention: what a broker drops of it is lost.
    package func log(_ stream: String) -> TopologyFragment {
        TopologyFragment(
            queues: [QueueDescription(name: stream, kind: .stream)],
            bindings: [BindingDescription(exchange: name(.log), queue: stream, routingKey: logKey(stream))])
    }

    /// Queues of the activities a worker runs.
    package func work(activities: [String]) -> TopologyFragment {
        TopologyFragment(
            queues: activities.map { shared(workQueue($0), deadLetters: true) },
            bindings: activities.map {
                BindingDescription(exchange: name(.work), queue: workQueue($0), routingKey: $0)
            })
    }

    private func shared(_ name: String, deadLetters: Bool) -> QueueDescription {
        QueueDescription(
            name: name, kind: queueKind,
            deadLetterExchange: deadLetters ? self.name(.dead) : nil,
            deliveryLimit: queueKind == .quorum ? Self.deliveryLimit : nil)
    }
}

extension HubDescriptor {
    package var topology: HubTopology {
        let kind: QueueDescription.Kind =
            switch queueKind {
            case .quorum: .quorum
            case .classic: .classic
            }
        return HubTopology(
            hub: hub, partitionCount: partitionCount, queueKind: kind, hasLogStreams: logMode == .replicated)
    }
}
