extension Payload {
    /// What can be said of a payload that is not opened, such as `encrypted with key "k1", 1234 bytes`; nil when it is in
    /// no envelope.
    package var sealedDescription: String? {
        guard isInEnvelope else { return nil }
        guard let envelope = try? PayloadEnvelope.read(self) else {
            return "of a form this version does not know, \(Self.size(count))"
        }
        switch envelope.layer {
        case .value: return "\(envelope.madeBy), \(Self.size(envelope.content.count))"
        case .codec: return "\(envelope.madeBy), \(Self.size(count))"
        case .reference:
            guard let stored = try? StoredPayload(envelope) else { return "a damaged reference, \(Self.size(count))" }
            return "stored, \(Self.size(stored.size))"
        }
    }

    private static func size(_ bytes: Int) -> String {
        switch bytes {
        case ..<10_000: "\(bytes) \(bytes == 1 ? "byte" : "bytes")"
        case ..<10_000_000: "\((bytes + 500) / 1000) kB"
        default: "\((bytes + 500_000) / 1_000_000) MB"
        }
    }
}

extension PayloadEnvelope {
    /// Names of the codecs that are part of this project.
    package enum CodecName {
        package static let encryption = "aes-gcm"
        package static let compression = "zlib"
    }

    /// In words, such as `encrypted with key "k1"`.
    package var madeBy: String {
        let parameters = String(validating: parameters, as: UTF8.self) ?? ""
        switch (layer, name) {
        case (.value, _): return "\(name) \(parameters)"
        case (.codec, CodecName.encryption): return "encrypted with key \"\(parameters)\""
        case (.codec, CodecName.compression): return "compressed"
        default: return "encoded by \"\(name)\""
        }
    }
}
