/// What a task hub is: written once when it is created, read and checked by every worker and client.
package struct HubDescriptor: Hashable, Sendable {
    /// UUID given at creation: a hub deleted and created again is another one.
    package var hubID: String
    package var hub: HubName
    /// 1 to 1024; fixed for the hub's life.
    package var partitionCount: Int
    /// `quorum`, or `classic` for a throw-away node.
    package var queueKind: QueueKind
    package var logMode: LogMode
    /// `local` mode: absolute path of the hub's data directory on the workers' host; empty otherwise.
    package var dataDirectory: String
    package var formatVersion: Int
    package var createdAt: Timestamp
    /// How long instances are kept after their end; nil: until they are purged.
    package var retention: Duration?

    package enum QueueKind: String, Hashable, Sendable, CaseIterable { case quorum, classic }

    package enum LogMode: String, Hashable, Sendable, CaseIterable {
        /// Log and tables in SQLite files of one host, or of a volume that follows the partitions.
        case local
        /// Log in streams of the broker, tables in a copy each worker keeps for itself.
        case replicated
    }

    package static let currentFormatVersion = 1

    package init(
        hubID: String, hub: HubName, partitionCount: Int, queueKind: QueueKind, logMode: LogMode,
        dataDirectory: String, formatVersion: Int = currentFormatVersion, createdAt: Timestamp,
        retention: Duration? = nil
    ) {
        self.hubID = hubID
        self.hub = hub
        self.partitionCount = partitionCount
        self.queueKind = queueKind
        self.logMode = logMode
        self.dataDirectory = dataDirectory
        self.formatVersion = formatVersion
        self.createdAt = createdAt
        self.retention = retention
    }
}
