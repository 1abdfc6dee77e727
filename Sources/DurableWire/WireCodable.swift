internal import SwiftProtobuf

/// Why bytes could not be read. The bytes stay as they are: the caller sets them aside.
package enum WireError: Error, Hashable, Sendable {
    /// Not ours, cut off, out of range, or of a kind this version does not know.
    case undecodable(String)
    /// Written by a newer version in a layout this one cannot read.
    case newerFormat(found: Int, supported: Int)
}

/// A value that stands alone in a message body, a stream record or a database row.
///
/// Equal values give equal bytes on every machine. Decoding checks ranges and never traps, whatever the bytes are.
package protocol WireCodable {
    init(wire bytes: [UInt8]) throws(WireError)
    var wireBytes: [UInt8] { get }
}

/// A generated message that begins with the version of its layout.
protocol Versioned: SwiftProtobuf.Message {
    var format: Int32 { get set }
    /// The highest version of the layout this build reads.
    static var newestFormat: Int32 { get }
}

extension Versioned {
    static var newestFormat: Int32 { 1 }
}

extension Versioned {
    init(alone bytes: [UInt8]) throws(WireError) {
        do {
            try self.init(serializedBytes: bytes)
        } catch {
            throw .undecodable("\(Self.protoMessageName): \(error)")
        }
        if format > Self.newestFormat { throw .newerFormat(found: Int(format), supported: Int(Self.newestFormat)) }
        if format < 1 { throw .undecodable("\(Self.protoMessageName): no format version") }
    }

    /// - Parameter version: What a reader must know to make no mistake.
    consuming func aloneBytes(version: Int32 = 1) -> [UInt8] {
        format = version
        guard let bytes: [UInt8] = try? serializedBytes() else {
            preconditionFailure("\(Self.protoMessageName) must stay below 2 GiB")
        }
        return bytes
    }
}

extension PBMessageBatch: Versioned {}
extension PBTaskMessage: Versioned {}
extension PBHistory: Versioned {
    /// 2: patches, a kind of event that earlier builds do not know. 3: requests to cancel, updates. 4: payloads in
    /// envelopes, which earlier builds would hand to code as they are.
    static var newestFormat: Int32 { 4 }
}
extension PBOutboxEntry: Versioned {}
extension PBPartitionRecord: Versioned {
    /// 2: sub-orchestrations that are waited for, whose answers would be taken for unexpected.
    /// 3: an execution that continues as new, which would be taken for the instance's end; suspensions, of which
    /// nothing would come; patches, without which replay would go another way.
    /// 4: activities given up, which would stay open; requests to cancel, and terminations that the code is told of; updates,
    /// which would be lost; instances that were purged, which would still be there.
    /// Payloads in envelopes, which earlier builds would hand to code as they are.
    static var newestFormat: Int32 { 4 }
}
extension PBCrashEvidence: Versioned {}
extension PBInstanceState: Versioned {
    /// 2, 3, 4: as in records.
    static var newestFormat: Int32 { 4 }
}
extension PBQuery: Versioned {
    /// 2: filters by tag or parent, without which more would fit.
    static var newestFormat: Int32 { 2 }
}
extension PBReply: Versioned {}
extension PBWorkerHeartbeat: Versioned {}
extension PBDrainRequest: Versioned {}
extension PBTaskCancellation: Versioned {}
extension PBJournalRecord: Versioned {
    /// 2: an announcement with an archive, without which what has ended would be forgotten.
    static var newestFormat: Int32 { 2 }
}
extension PBLogMessage: Versioned {}
extension PBLogUnit: Versioned {}
extension PBLogBookmark: Versioned {}
extension PBSnapshotChunk: Versioned {
    /// 4: as in records.
    static var newestFormat: Int32 { 4 }
}
extension PBMissingArchive: Versioned {}
extension PBBackupRecord: Versioned {}
extension PBHubDescriptor: Versioned {}
