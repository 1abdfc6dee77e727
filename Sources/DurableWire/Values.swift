internal import DurableCore
internal import Foundation
internal import SwiftProtobuf

// Small values that many messages share, and the checks on what comes from outside.

extension PBEpoch {
    init(_ epoch: Epoch) {
        self.init()
        generation = epoch.generation
        offset = epoch.offset
    }
}

extension Epoch {
    init(_ wire: PBEpoch) { self.init(generation: wire.generation, offset: wire.offset) }
}

extension PBOrigin {
    init(_ origin: Origin) {
        self.init()
        partition = origin.partition.wireIndex
        incarnation = origin.incarnation
        sequence = origin.sequence
    }
}

extension Origin {
    init(_ wire: PBOrigin) throws(WireError) {
        self.init(
            partition: try PartitionID(wireIndex: wire.partition), incarnation: wire.incarnation,
            sequence: wire.sequence)
    }
}

extension PBAppliedThrough {
    init(_ applied: AppliedThrough) {
        self.init()
        destination = applied.destination.wireIndex
        incarnation = applied.incarnation
        sequence = applied.sequence
    }
}

extension AppliedThrough {
    init(_ wire: PBAppliedThrough) throws(WireError) {
        self.init(
            destination: try PartitionID(wireIndex: wire.destination), incarnation: wire.incarnation,
            sequence: wire.sequence)
    }
}

extension PartitionID {
    var wireIndex: UInt32 { UInt32(truncatingIfNeeded: index) }

    init(wireIndex: UInt32) throws(WireError) {
        guard wireIndex < 1024 else { throw .undecodable("partition \(wireIndex) is out of range (0 to 1023)") }
        self.init(Int(wireIndex))
    }
}

extension PBOrchestrationStatus {
    init(_ status: OrchestrationStatus) {
        self =
            switch status {
            case .running: .running
            case .completed: .completed
            case .continuedAsNew: .continuedAsNew
            case .failed: .failed
            case .canceled: .canceled
            case .terminated: .terminated
            case .pending: .pending
            case .suspended: .suspended
            }
    }
}

extension OrchestrationStatus {
    init(_ wire: PBOrchestrationStatus) throws(WireError) {
        guard let value = Int32(exactly: wire.rawValue), let status = OrchestrationStatus(rawValue: value) else {
            throw .undecodable("orchestration status \(wire.rawValue) is not known to this version")
        }
        self = status
    }
}

extension Timestamp {
    init(ms: Int64) { self.init(millisecondsSinceEpoch: ms) }

    init(_ wire: Google_Protobuf_Timestamp) throws(WireError) {
        // Widened: the seconds of `distantPast`, rounded down, are below what 64 bits of milliseconds hold.
        let milliseconds = Int128(wire.seconds) * 1000 + Int128(wire.nanos / 1_000_000)
        guard (0..<1_000_000_000).contains(wire.nanos), let milliseconds = Int64(exactly: milliseconds) else {
            throw .undecodable("time of \(wire.seconds) s and \(wire.nanos) ns is out of range")
        }
        self.init(millisecondsSinceEpoch: milliseconds)
    }
}

extension Google_Protobuf_Timestamp {
    init(_ time: Timestamp) {
        var (second, millisecond) = time.millisecondsSinceEpoch.quotientAndRemainder(dividingBy: 1000)
        if millisecond < 0 {
            second -= 1
            millisecond += 1000
        }
        self.init()
        seconds = second
        nanos = Int32(millisecond) * 1_000_000
    }
}

extension Payload {
    init(_ data: Data) { self.init([UInt8](data)) }
    init(_ wire: Google_Protobuf_BytesValue) { self.init([UInt8](wire.value)) }
    var data: Data { Data(bytes) }
}

extension Google_Protobuf_BytesValue {
    init(_ payload: Payload) {
        self.init()
        value = payload.data
    }
}

extension Google_Protobuf_StringValue {
    init(text: String) {
        self.init()
        value = text
    }
}

/// Checks a number of things.
func checkedCount(_ value: Int64, _ what: String) throws(WireError) -> Int {
    guard value >= 0, let count = Int(exactly: value) else { throw .undecodable("\(what) is \(value)") }
    return count
}

func required(_ isPresent: Bool, _ what: String) throws(WireError) {
    if !isPresent { throw .undecodable("\(what) is missing") }
}
