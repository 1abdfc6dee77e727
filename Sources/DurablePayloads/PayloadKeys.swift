import Crypto
import Foundation

/// Keys to encrypt payloads with, by ID: one to write with, all to read with.
///
/// A file has one key a line: its ID, a space, 32 bytes in base64. The first one is the current one; empty lines and
/// those that begin with `#` say nothing.
///
/// ```text
/// # openssl rand -base64 32
/// 2026-11 J8m2mJb0xVq1yqQmWmPpZ1zYxv3l3qkqgXr6b0nR0pA=
/// 2026-05 6hYq0Y3Zb8k9iQ0d0m5b1b5C8kqk3C3Qn3oW0n8mS2E=
/// ```
///
/// To change keys: add the new one as the second line everywhere, then make it the first, and take the old one out once
/// nothing is kept that it has written.
public struct PayloadKeys: Sendable {
    let currentID: String
    let keys: [String: SymmetricKey]  // look-up only

    /// - Parameters:
    ///   - current: ID of the key to write with.
    ///   - keys: 32 bytes each, by ID: 1 to 64 letters, digits, `.`, `_` and `-`.
    /// - Throws: `PayloadKeysError`; its text holds no key.
    public init(current: String, keys: [String: [UInt8]]) throws {
        for (id, bytes) in keys.sorted(by: { $0.key < $1.key }) {
            guard Self.isUsable(id) else {
                throw PayloadKeysError("a key's ID has 1 to 64 letters, digits, \".\", \"_\" and \"-\"")
            }
            guard bytes.count == 32 else {
                throw PayloadKeysError("key \"\(id)\" has \(bytes.count) bytes, a key has 32")
            }
        }
        guard keys[current] != nil else { throw PayloadKeysError("there is no key of the current ID") }
        currentID = current
        self.keys = keys.mapValues { SymmetricKey(data: $0) }
    }

    /// - Parameter text: As it stands in a file.
    /// - Throws: `PayloadKeysError`; its text holds no key.
    public init(text: String) throws {
        var (keys, current) = ([String: [UInt8]](), String?.none)
        for (number, line) in text.split(whereSeparator: \.isNewline).enumerated() {
            let words = line.split(whereSeparator: \.isWhitespace)
            guard let first = words.first, !first.hasPrefix("#") else { continue }
            let id = String(first)
            guard words.count == 2, Self.isUsable(id), let bytes = Data(base64Encoded: String(words[1])) else {
                throw PayloadKeysError("line \(number + 1) is not an ID, a space, and 32 bytes in base64")
            }
            guard keys.updateValue(Array(bytes), forKey: id) == nil else {
                throw PayloadKeysError("key \"\(id)\" is there twice")
            }
            current = current ?? id
        }
        guard let current else { throw PayloadKeysError("there is no key") }
        try self.init(current: current, keys: keys)
    }

    /// Reads a file of keys. Keep it away from everybody but the worker's user.
    ///
    /// - Throws: `PayloadKeysError`; its text holds no key.
    public init(file path: String) throws {
        let bytes: Data
        do {
            bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw PayloadKeysError("file \(path) cannot be read")
        }
        guard let text = String(data: bytes, encoding: .utf8) else { throw PayloadKeysError("file \(path) is no text") }
        do {
            try self.init(text: text)
        } catch let error as PayloadKeysError {
            throw PayloadKeysError("file \(path): \(error)")
        }
    }

    private static func isUsable(_ id: String) -> Bool {
        (1...64).contains(id.utf8.count)
            && id.unicodeScalars.allSatisfy { scalar in
                scalar.isASCII
                    && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
                        || "._-".unicodeScalars.contains(scalar))
            }
    }
}

/// Keys that cannot be used. The text holds none of them.
public struct PayloadKeysError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}
