import Crypto
import DurableBackend
import DurableCore

/// Keys of payload stores: `HUB/INSTANCE/RUN/GENERATION/SHA-256`, and `HUB/INSTANCE/-/MESSAGE/SHA-256` of messages whose
/// sender does not know the run.
enum StoreKeys {
    static func prefix(of owner: PayloadOwner, in hubID: String) -> String {
        let instance = prefix(of: owner.instanceID, in: hubID)
        return switch owner.part {
        case .execution(let id): "\(instance)/\(part(id.lineage.first))/\(id.lineage.generation)"
        case .message(let id): "\(instance)/-/\(part(id.value))"
        }
    }

    /// What the keys begin with, and the keys, that `scope` means.
    static func prefixes(of scope: PayloadScope, in hubID: String) -> [String] {
        switch scope {
        case .run(let id, let execution): ["\(prefix(of: id, in: hubID))/\(part(execution.lineage.first))"]
        case .sent(let id, let payloads):
            // References come from outside: only what is this instance's.
            payloads.map(\.key).filter { $0.hasPrefix("\(prefix(of: id, in: hubID))/-/") }
        }
    }

    private static func prefix(of id: InstanceID, in hubID: String) -> String { "\(part(hubID))/\(part(id.value))" }

    /// `text` where it may stand in a key as it is; otherwise what of it may, and a hash of all of it. Different texts
    /// have different parts, on file systems that ignore case too.
    static func part(_ text: String) -> String {
        let mayStay = { (byte: UInt8) in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
        }
        if (2...64).contains(text.utf8.count), text.utf8.allSatisfy(mayStay) { return text }
        let readable = String(decoding: text.lowercased().utf8.filter(mayStay).prefix(40), as: UTF8.self)
        return "\(readable)~\(hexadecimal(SHA256.hash(data: Array(text.utf8)).prefix(16)))"
    }

    static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }
}
