package import DurableCore

extension HubDescriptor: WireCodable {
    /// A descriptor of a newer `formatVersion` decodes: its reader says what does not fit.
    package init(wire bytes: [UInt8]) throws(WireError) {
        let wire = try PBHubDescriptor(alone: bytes)
        guard let hub = HubName(wire.hub) else { throw .undecodable("\"\(wire.hub)\" is no hub name") }
        guard (1...1024).contains(wire.partitionCount) else {
            throw .undecodable("partition count \(wire.partitionCount) of hub \(hub) is out of range (1 to 1024)")
        }
        let queueKind: QueueKind
        switch wire.queueKind {
        case .quorum: queueKind = .quorum
        case .classic: queueKind = .classic
        case .unspecified, .UNRECOGNIZED:
            throw .undecodable("queue kind \(wire.queueKind.rawValue) of hub \(hub) is not known to this version")
        }
        let logMode: LogMode
        switch wire.logMode {
        case .local: logMode = .local
        case .replicated: logMode = .replicated
        case .unspecified, .UNRECOGNIZED:
            throw .undecodable("log mode \(wire.logMode.rawValue) of hub \(hub) is not known to this version")
        }
        self.init(
            hubID: wire.hubID, hub: hub, partitionCount: Int(wire.partitionCount), queueKind: queueKind,
            logMode: logMode, dataDirectory: wire.dataDirectory,
            formatVersion: try checkedCount(wire.formatVersion, "format version of hub \(hub)"),
            createdAt: Timestamp(ms: wire.createdAtMs),
            retention: wire.hasRetentionMs ? .milliseconds(max(0, wire.retentionMs)) : nil)
    }

    package var wireBytes: [UInt8] {
        var wire = PBHubDescriptor()
        wire.hubID = hubID
        wire.hub = hub.value
        wire.partitionCount = UInt32(truncatingIfNeeded: partitionCount)
        wire.queueKind =
            switch queueKind {
            case .quorum: .quorum
            case .classic: .classic
            }
        wire.logMode =
            switch logMode {
            case .local: .local
            case .replicated: .replicated
            }
        wire.dataDirectory = dataDirectory
        wire.formatVersion = Int64(formatVersion)
        wire.createdAtMs = createdAt.millisecondsSinceEpoch
        if let retention { wire.retentionMs = Int64(retention / .milliseconds(1)) }
        return wire.aloneBytes()
    }
}
