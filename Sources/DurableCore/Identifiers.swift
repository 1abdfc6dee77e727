/// Key of an orchestration instance, unique within its task hub.
///
/// 1 to 255 bytes of UTF-8 (an AMQP short string) without control characters; chosen by the client, or a UUID when it
/// names none.
public struct InstanceID: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    /// As it stands in commands, logs and tables.
    public var value: String

    /// Takes any text; what starts an instance refuses one that is no ID.
    public init(_ value: String) { self.value = value }

    public init(from decoder: any Decoder) throws {
        value = try decoder.singleValueContainer().decode(String.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(value)
    }

    /// Compares bytes, as the partition hash and the tables do: spellings that Unicode calls equal are different IDs.
    public static func == (left: Self, right: Self) -> Bool {
        left.value == right.value && left.value.utf8.elementsEqual(right.value.utf8)
    }

    public static func < (left: Self, right: Self) -> Bool {
        left.value.utf8.lexicographicallyPrecedes(right.value.utf8)
    }

    public var description: String { value }

    /// Says what is wrong with the ID, or nil when it may be used.
    package var defect: String? {
        let length = value.utf8.count
        if length == 0 { return "an instance ID must not be empty" }
        if length > 255 { return "an instance ID has at most 255 bytes, this one has \(length)" }
        if value.unicodeScalars.contains(where: \.isControl) {
            return "an instance ID must not contain control characters"
        }
        return nil
    }
}

/// One generation of an instance; a new one begins with each continue-as-new.
public struct ExecutionID: Hashable, Sendable, CustomStringConvertible {
    /// As it stands in histories and idempotency keys.
    public var value: String
    /// Of what was recorded; new ones are made by the engine.
    public init(_ value: String) { self.value = value }
    public var description: String { value }

    /// Of the execution that follows on continue-as-new: `a` is followed by `a~1`, `a~2` and so on.
    package var successor: ExecutionID {
        if let mark = value.lastIndex(of: "~"), let number = UInt64(value[value.index(after: mark)...]),
            number > 0, number < .max
        {
            return ExecutionID("\(value[..<mark])~\(number + 1)")
        }
        return ExecutionID("\(value)~1")
    }

    /// What IDs derived from it begin with: itself, or a hash of it where it is long, as in deep families, or has
    /// characters that are none for IDs. These have at most 255 bytes.
    package var stem: String {
        if value.utf8.count <= 160, InstanceID(value).defect == nil { return value }
        let hashes = ["a/", "b/"].map { FNV1a.hash("\($0)\(value)".utf8) }
        return hashes.map { String($0, radix: 16) }.joined(separator: "-")
    }
}

/// Position an orchestration's action got in order of request, from 0; pairs a result with its request.
/// History events that are no action carry `none`.
public struct EventID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// From 0; -1 for `none`.
    public var value: Int32
    /// Of an action that was the `value`th in its execution, counted from 0.
    public init(_ value: Int32) { self.value = value }
    /// Of events that are no action.
    public static let none = EventID(-1)
    public static func < (left: Self, right: Self) -> Bool { left.value < right.value }
    public var description: String { String(value) }
}

/// Index of a partition: 0 to the hub's partition count less one.
public struct PartitionID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// From 0.
    public var index: Int
    /// Not checked against a hub's number of partitions.
    public init(_ index: Int) { self.index = index }
    public static func < (left: Self, right: Self) -> Bool { left.index < right.index }
    public var description: String { String(index) }
}

/// Number of one activation of a partition. Higher means newer; the journal hands them out, each once.
public struct Epoch: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Generation of the journal that gave the epoch, from 1; 0 stands for "never owned".
    public var generation: UInt32
    /// Offset of the claim's first occurrence in that journal.
    public var offset: UInt64

    /// Of what was recorded; new ones are given by the journal.
    public init(generation: UInt32, offset: UInt64) {
        self.generation = generation
        self.offset = offset
    }

    /// Lower than every epoch a journal gives.
    public static let zero = Epoch(generation: 0, offset: 0)

    public static func < (left: Self, right: Self) -> Bool {
        (left.generation, left.offset) < (right.generation, right.offset)
    }

    public var description: String { "\(generation).\(offset)" }
}

/// Position in a partition's log; the first record ever written is 1, "nothing" is 0.
package struct LogPosition: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var value: UInt64
    package init(_ value: UInt64) { self.value = value }
    package static func < (left: Self, right: Self) -> Bool { left.value < right.value }
    package var description: String { String(value) }
}

/// One worker process, unique among all that ever ran: host, process id and a random part.
public struct WorkerID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// As `dtq workers` shows it.
    public var value: String
    /// Of a worker that is known; a new one has to be unlike all before.
    public init(_ value: String) { self.value = value }
    public static func < (left: Self, right: Self) -> Bool { left.value < right.value }
    public var description: String { value }
}

/// Identity of one accepted message, the same on every redelivery and resend of it.
public struct MessageID: Hashable, Sendable, CustomStringConvertible {
    /// As it stands in the message's properties.
    public var value: String
    /// Of a message that is known; a new one has to be unlike all before.
    public init(_ value: String) { self.value = value }
    public var description: String { value }
}

/// Name of a task hub: 1 to 64 of letters, digits, `-` and `_`, since it is part of queue names.
public struct HubName: Hashable, Sendable, CustomStringConvertible {
    /// As it stands in queue names, commands and logs.
    public let value: String

    /// - Returns: nil when `value` is not a hub name.
    public init?(_ value: String) {
        let allowed = value.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        guard allowed, (1...64).contains(value.utf8.count) else { return nil }
        self.value = value
    }

    public var description: String { value }
}

extension Unicode.Scalar {
    /// Not for names and IDs, which are shown on terminals.
    package var isControl: Bool { value < 0x20 || value == 0x7f }
}
