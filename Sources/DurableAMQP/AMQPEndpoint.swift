/// One broker and how to log in there, read from `amqp://user:password@host:port/vhost`.
package struct AMQPEndpoint: Hashable, Sendable {
    package var host: String
    package var port: Int
    package var user: String
    package var password: String
    package var virtualHost: String

    package init(
        host: String, port: Int = 5672, user: String = "guest", password: String = "guest", virtualHost: String = "/"
    ) {
        self.host = host
        self.port = port
        self.user = user
        self.password = password
        self.virtualHost = virtualHost
    }
}

/// Why a broker URL cannot be used. The text never contains the password.
package struct AMQPURLError: Error, Hashable, Sendable, CustomStringConvertible {
    package var description: String
}

extension AMQPEndpoint: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The URL without its password, for texts and logs.
    package var description: String {
        let address = host.contains(":") ? "[\(host)]" : host
        let path = virtualHost == "/" ? "/" : "/" + Self.percentEncoded(virtualHost)
        return "amqp://\(Self.percentEncoded(user))@\(address):\(port)\(path)"
    }

    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: ["url": description]) }
}

extension AMQPEndpoint {
    /// Reads a broker URL. User, password and virtual host may be percent-encoded (`%2F` for a slash in a name).
    ///
    /// Left out: user and password `guest`, port 5672, virtual host `/`; a bare slash at the end means `/` too.
    package init(parsing url: String) throws(AMQPURLError) {
        guard let mark = url.firstRange(of: "://") else {
            throw AMQPURLError("a broker URL starts with amqp://, as in amqp://user:password@host:5672/vhost")
        }
        switch url[..<mark.lowerBound].lowercased() {
        case "amqp": break
        case "amqps": throw AMQPURLError("amqps (TLS) is not in this version; use amqp:// on a trusted network")
        default: throw AMQPURLError("the scheme of a broker URL is amqp, as in amqp://user:password@host:5672/vhost")
        }
        var rest = url[mark.upperBound...]
        if rest.contains(where: { $0 == "?" || $0 == "#" }) {
            throw AMQPURLError("a broker URL has no query or fragment; write ? as %3F and # as %23 in a name")
        }
        self.init(host: "")
        if let slash = rest.firstIndex(of: "/") {
            let path = rest[rest.index(after: slash)...]
            if path.contains("/") {
                throw AMQPURLError("a slash in the virtual host of a broker URL is written %2F")
            }
            if !path.isEmpty { virtualHost = try Self.percentDecoded(path, "virtual host") }
            rest = rest[..<slash]
        }
        if let at = rest.lastIndex(of: "@") {
            let login = rest[..<at]
            rest = rest[rest.index(after: at)...]
            let colon = login.firstIndex(of: ":") ?? login.endIndex
            user = try Self.percentDecoded(login[..<colon], "user")
            if colon < login.endIndex { password = try Self.percentDecoded(login[colon...].dropFirst(), "password") }
            if user.isEmpty { throw AMQPURLError("the user in a broker URL is empty") }
        }
        try readAddress(rest)
    }

    /// `host`, `host:port`, `[v6]` or `[v6]:port`.
    private mutating func readAddress(_ address: Substring) throws(AMQPURLError) {
        var digits: Substring?
        if address.hasPrefix("[") {
            guard let end = address.firstIndex(of: "]") else {
                throw AMQPURLError("the bracket of the IPv6 address in a broker URL is not closed")
            }
            host = String(address[..<end].dropFirst())
            let tail = address[end...].dropFirst()
            if !tail.isEmpty {
                guard tail.hasPrefix(":") else { throw AMQPURLError("after ] a broker URL goes on with :port or ends") }
                digits = tail.dropFirst()
            }
        } else if let colon = address.lastIndex(of: ":") {
            host = String(address[..<colon])
            digits = address[colon...].dropFirst()
            if host.contains(":") { throw AMQPURLError("an IPv6 address in a broker URL stands in brackets: [::1]") }
        } else {
            host = String(address)
        }
        if host.isEmpty { throw AMQPURLError("the broker URL names no host") }
        guard let digits else { return }
        guard let number = Int(digits), (1...65_535).contains(number) else {
            throw AMQPURLError("the port of a broker URL is a number from 1 to 65535")
        }
        port = number
    }

    private static func percentDecoded(_ text: Substring, _ part: String) throws(AMQPURLError) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst(), let low = rest.popFirst(),
                let value = UInt8(String(decoding: [high, low], as: UTF8.self), radix: 16), value != 0
            else { throw AMQPURLError("the \(part) in the broker URL has a % that is not followed by two hex digits") }
            bytes.append(value)
        }
        guard let decoded = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
            throw AMQPURLError("the \(part) in the broker URL is not UTF-8 once decoded")
        }
        return decoded
    }

    private static func percentEncoded(_ text: String) -> String {
        let plain = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~".utf8)
        let digits = Array("0123456789ABCDEF")
        var encoded = ""
        for byte in text.utf8 {
            if plain.contains(byte) {
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                encoded += "%" + String(digits[Int(byte >> 4)]) + String(digits[Int(byte & 15)])
            }
        }
        return encoded
    }
}

extension AMQPURLError {
    fileprivate init(_ text: String) { description = text }
}
