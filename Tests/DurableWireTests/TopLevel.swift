import DurableCore
import DurableWire
import Testing

/// A type that stands alone on the wire, with its sample values, so that one test covers all of them.
struct TopLevel: Sendable, CustomTestStringConvertible {
    var name: String
    /// Encoded samples.
    var samples: [[UInt8]]
    /// Decodes and encodes again.
    var recode: @Sendable ([UInt8]) throws(WireError) -> [UInt8]
    /// Whether every sample comes back equal from its bytes, and gives the same bytes again.
    var roundTrips: @Sendable () -> Bool
    var testDescription: String { name }

    init<Value: WireCodable & Equatable & Sendable>(_ values: [Value]) {
        name = "\(Value.self)"
        samples = values.map(\.wireBytes)
        recode = { bytes throws(WireError) in try Value(wire: bytes).wireBytes }
        roundTrips = {
            values.allSatisfy { value in
                guard let back = try? Value(wire: value.wireBytes) else { return false }
                return back == value && back.wireBytes == value.wireBytes
            }
        }
    }

    static let all: [TopLevel] = [
        TopLevel(Samples.batches), TopLevel(Samples.tasks), TopLevel(Samples.outbox), TopLevel(Samples.records),
        TopLevel(Samples.states), TopLevel(Samples.queries), TopLevel(Samples.replies), TopLevel(Samples.heartbeats),
        TopLevel(Samples.journal), TopLevel(Samples.descriptors),
        TopLevel([Events(list: Samples.events + Samples.authored)]),
        TopLevel(Samples.episodes),
        TopLevel(Samples.drains), TopLevel(Samples.evidence),
    ]
}

/// A history blob in the shape of the other types.
struct Events: WireCodable, Equatable {
    var list: [HistoryEvent]
    init(list: [HistoryEvent]) { self.list = list }
    init(wire bytes: [UInt8]) throws(WireError) { list = try HistoryCodec.decode(bytes) }
    var wireBytes: [UInt8] { HistoryCodec.encode(list) }
}
