import Crypto
import DurableCore
import Foundation

/// Encrypts payloads with AES-256-GCM, so that brokers, logs, backups and whoever reads them see sizes alone. Changed bytes
/// are noticed.
///
/// Each payload has a key of its own, derived from the one with its ID by HKDF-SHA256 and 16 random bytes: nonces of 12
/// random bytes alone would allow 2^32 payloads a key (NIST SP 800-38D, 8.3), which a busy hub has in weeks.
///
/// Not encrypted: IDs, names of orchestrations, activities and events, times, tags, and the texts of failures.
public struct PayloadEncryption: PayloadCodec {
    static let codecName = PayloadEnvelope.CodecName.encryption
    private static let saltSize = 16
    private let keys: PayloadKeys

    /// Writes with the current one of `keys`, and reads with each of them.
    public init(_ keys: PayloadKeys) { self.keys = keys }

    public var name: String { Self.codecName }

    public func encode(_ content: [UInt8]) throws -> EncodedPayload? {
        guard let key = keys.keys[keys.currentID] else { preconditionFailure("keys have a current one") }
        var generator = SystemRandomNumberGenerator()
        let salt = (0..<Self.saltSize).map { _ in UInt8.random(in: 0 ... .max, using: &generator) }
        let parameters = Array(keys.currentID.utf8)
        let box = try AES.GCM.seal(
            content, using: Self.derived(key, salt), authenticating: Self.authenticated(parameters, salt))
        guard let combined = box.combined else { preconditionFailure("a nonce of 12 bytes is combined") }
        return EncodedPayload(parameters: parameters, content: salt + combined)
    }

    public func decode(_ encoded: EncodedPayload) throws -> [UInt8] {
        guard let id = Self.keyID(encoded.parameters) else {
            throw PayloadCodecError(isCurable: false, reason: "it does not say which key it is encrypted with")
        }
        guard let key = keys.keys[id] else {
            let known = keys.keys.keys.sorted().map { "\"\($0)\"" }.joined(separator: ", ")
            throw PayloadCodecError(
                isCurable: true, reason: "it is encrypted with key \"\(id)\", and this process has \(known) alone")
        }
        let salt = Array(encoded.content.prefix(Self.saltSize))
        do {
            let box = try AES.GCM.SealedBox(combined: encoded.content.dropFirst(Self.saltSize))
            return Array(
                try AES.GCM.open(
                    box, using: Self.derived(key, salt),
                    authenticating: Self.authenticated(encoded.parameters, salt)))
        } catch {
            throw PayloadCodecError(
                isCurable: false,
                reason:
                    "it does not open with key \"\(id)\": its bytes were changed or cut off, or another key has that ID"
            )
        }
    }

    /// nil: the parameters are not this codec's.
    private static func keyID(_ parameters: [UInt8]) -> String? {
        guard (1...64).contains(parameters.count) else { return nil }
        return String(validating: parameters, as: UTF8.self)
    }

    private static func derived(_ key: SymmetricKey, _ salt: [UInt8]) -> SymmetricKey {
        HKDF<SHA256>.deriveKey(
            inputKeyMaterial: key, salt: salt, info: Data("dtq payload aes-gcm".utf8), outputByteCount: 32)
    }

    /// Not the instance: the same bytes stand in histories of several (a child's result in its parent's too), and are
    /// copied to others.
    private static func authenticated(_ parameters: [UInt8], _ salt: [UInt8]) -> [UInt8] {
        Array(codecName.utf8) + [0] + parameters + [0] + salt
    }
}
