/// What stands around a payload's bytes that are not plain JSON: it says what made them, so that a reader knows how to
/// open them, or that it cannot. Part of the formats of histories and messages.
///
/// `F5 64 74 71` (no UTF-8 text has the byte F5, so no JSON has it), `01` for the layout, the layer, the length of the
/// name (1 byte), the name, the length of the parameters (2 bytes, big-endian), the parameters, the content.
package struct PayloadEnvelope: Hashable, Sendable {
    package enum Layer: UInt8, Sendable {
        /// A value in a form of its own, such as a protobuf message.
        case value = 1
        /// What a codec made of other bytes, which may be an envelope in turn.
        case codec = 2
        /// Says where the bytes are kept.
        case reference = 3
    }

    package var layer: Layer
    /// Of the codec or form: 1 to 255 bytes.
    package var name: String
    /// At most 65,535 bytes, never secret.
    package var parameters: [UInt8]
    package var content: [UInt8]

    package init(_ layer: Layer, _ name: String, parameters: [UInt8] = [], content: [UInt8]) {
        precondition((1...255).contains(name.utf8.count), "a name of 1 to 255 bytes")
        precondition(parameters.count <= Int(UInt16.max), "at most 65,535 bytes of parameters")
        self.layer = layer
        self.name = name
        self.parameters = parameters
        self.content = content
    }

    fileprivate static let magic: [UInt8] = [0xF5, 0x64, 0x74, 0x71]
    private static let layout: UInt8 = 1

    package var payload: Payload {
        var bytes = Self.magic
        bytes.reserveCapacity(headSize + content.count)
        bytes += [Self.layout, layer.rawValue, UInt8(name.utf8.count)]
        bytes += name.utf8
        bytes += [UInt8(parameters.count >> 8), UInt8(parameters.count & 0xFF)]
        bytes += parameters
        bytes += content
        return Payload(bytes)
    }

    /// Bytes before the content.
    package var headSize: Int { 9 + name.utf8.count + parameters.count }

    /// Why bytes that begin as an envelope are none that this version reads.
    package struct Defect: Error, Hashable, Sendable, CustomStringConvertible {
        package var description: String
    }

    /// - Returns: nil when the payload is in no envelope.
    package static func read(_ payload: Payload) throws(Defect) -> PayloadEnvelope? {
        guard payload.isInEnvelope else { return nil }
        let bytes = payload.bytes
        guard bytes.count >= 7 else { throw Defect(description: "it is cut off") }
        guard bytes[4] == layout, let layer = Layer(rawValue: bytes[5]) else {
            throw Defect(description: "a newer version wrote it (layout \(bytes[4]), layer \(bytes[5]))")
        }
        let nameEnd = 7 + Int(bytes[6])
        guard bytes.count >= nameEnd + 2, let name = String(validating: bytes[7..<nameEnd], as: UTF8.self),
            !name.isEmpty
        else { throw Defect(description: "it is cut off") }
        let contentStart = nameEnd + 2 + (Int(bytes[nameEnd]) << 8 | Int(bytes[nameEnd + 1]))
        guard bytes.count >= contentStart else { throw Defect(description: "it is cut off") }
        return PayloadEnvelope(
            layer, name, parameters: Array(bytes[(nameEnd + 2)..<contentStart]), content: Array(bytes[contentStart...]))
    }
}

extension Payload {
    /// Whether its bytes are not the value's own JSON, but say what they are in a header: encrypted, compressed, a
    /// protobuf message, or a reference to a payload store.
    public var isInEnvelope: Bool { bytes.starts(with: PayloadEnvelope.magic) }

    /// Whether it is as histories hold it, encoded or stored, and not as code sees it.
    package var isSealed: Bool {
        guard isInEnvelope, let envelope = try? PayloadEnvelope.read(self) else { return false }
        return envelope.layer != .value
    }
}

/// Where a payload store keeps a payload, as histories and messages hold it.
package struct StoredPayload: Hashable, Sendable {
    /// Parts separated by `/`, each of letters, digits, `.`, `_`, `~` and `-`.
    package var key: String
    /// In bytes, as stored.
    package var size: Int
    /// Of the bytes as stored.
    package var sha256: [UInt8]

    package init(key: String, size: Int, sha256: [UInt8]) {
        precondition(sha256.count == 32, "SHA-256 has 32 bytes")
        self.key = key
        self.size = size
        self.sha256 = sha256
    }

    package static let envelopeName = "store"

    package var envelope: PayloadEnvelope {
        let size = UInt64(size)
        let sizeBytes = (0..<8).map { UInt8(truncatingIfNeeded: size >> (56 - 8 * UInt64($0))) }
        return PayloadEnvelope(.reference, Self.envelopeName, content: sha256 + sizeBytes + Array(key.utf8))
    }

    /// - Throws: What makes it no reference.
    package init(_ envelope: PayloadEnvelope) throws(PayloadEnvelope.Defect) {
        let content = envelope.content
        guard envelope.name == Self.envelopeName, content.count > 40,
            let key = String(validating: content[40...], as: UTF8.self), Self.isUsable(key: key)
        else { throw PayloadEnvelope.Defect(description: "it is no reference to a payload store") }
        let size = content[32..<40].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard size <= UInt64(Int32.max) else { throw PayloadEnvelope.Defect(description: "it refers to \(size) bytes") }
        self.init(key: key, size: Int(size), sha256: Array(content[..<32]))
    }

    /// Keys come from outside: none of them may lead out of its store.
    package static func isUsable(key: String) -> Bool {
        let parts = key.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        return key.utf8.count <= 1024
            && parts.allSatisfy { part in
                (1...200).contains(part.count) && part.first != UInt8(ascii: ".")
                    && part.allSatisfy { byte in
                        switch byte {
                        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
                            UInt8(ascii: "~"),
                            UInt8(ascii: "-"):
                            true
                        default: false
                        }
                    }
            }
    }
}

/// Whose a stored payload is: it is deleted with that instance.
package struct PayloadOwner: Hashable, Sendable {
    package enum Part: Hashable, Sendable {
        case execution(ExecutionID)
        /// A message of somebody who does not know the instance's executions.
        case message(MessageID)
    }

    package var instanceID: InstanceID
    package var part: Part

    package init(_ instanceID: InstanceID, _ executionID: ExecutionID) {
        self.instanceID = instanceID
        part = .execution(executionID)
    }

    package init(_ instanceID: InstanceID, sentIn message: MessageID) {
        self.instanceID = instanceID
        part = .message(message)
    }
}

extension ExecutionID {
    /// The first execution's ID, and how many came between: `a~2` is the second after `a`.
    package var lineage: (first: String, generation: UInt64) {
        if let mark = value.lastIndex(of: "~"), let number = UInt64(value[value.index(after: mark)...]), number > 0 {
            return (String(value[..<mark]), number)
        }
        return (value, 0)
    }
}
