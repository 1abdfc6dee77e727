import DurableClient
import DurableCore
import DurableJSON

/// RabbitMQ's management API, which knows what AMQP does not tell: unacknowledged messages and rates.
///
/// Source: the API's own page at `/api/index.html`, RabbitMQ 3.10.
struct ManagementAPI {
    /// Without credentials.
    let address: String
    private let user: String
    private let password: String
    /// Percent-encoded.
    let virtualHost: String

    struct Queue: Hashable, Sendable {
        var unacknowledged: Int?
        var publishedPerSecond: Double?
        var deliveredPerSecond: Double?
    }

    /// - Parameters:
    ///   - url: As the user gave it; nil or empty: no management API.
    ///   - brokerURL: Names the virtual host, and the user where `url` names none.
    init?(_ url: String?, brokerURL: String) throws {
        guard let url, !url.isEmpty else { return nil }
        guard let parts = URLParts(url), parts.scheme == "http" || parts.scheme == "https" else {
            throw ClientError.usage(
                "--management (DTQ_MANAGEMENT) must begin with http:// or https://, this does not: "
                    + "\(Redaction.apply(to: url)).")
        }
        let broker = URLParts(brokerURL)
        var path = parts.path
        while path.hasSuffix("/") { path.removeLast() }
        address = "\(parts.scheme)://\(parts.host)\(path)"
        user = parts.user ?? broker?.user ?? "guest"
        password = parts.password ?? broker?.password ?? "guest"
        let host = String((broker?.path ?? "").dropFirst())
        virtualHost = host.isEmpty ? "%2F" : host
    }

    /// The array at `/api/<path>`; nil when the API does not answer or not with one.
    func array(_ path: String, _ environment: CommandEnvironment) async -> [JSONValue]? {
        let request = ManagementRequest(address: "\(address)/api/\(path)", user: user, password: password)
        guard let body = await environment.fetchManagement(request), let json = try? JSONParser.parse(body),
            case .array(let items) = json
        else { return nil }
        return items
    }

    /// The hub's queues by name; nil when the API does not answer or not with what we know.
    func queues(of hub: HubName, _ environment: CommandEnvironment) async -> [String: Queue]? {
        let columns = "name,messages_unacknowledged,message_stats"
        guard let items = await array("queues/\(virtualHost)?columns=\(columns)", environment) else { return nil }
        var queues: [String: Queue] = [:]  // look-up only
        for item in items {
            guard let name = item["name"]?.stringValue, name.hasPrefix("dtq.\(hub).") else { continue }
            let statistics = item["message_stats"]
            queues[name] = Queue(
                unacknowledged: item["messages_unacknowledged"]?.double.map { Int($0) },
                publishedPerSecond: statistics?["publish_details"]?["rate"]?.double,
                deliveredPerSecond: statistics?["deliver_get_details"]?["rate"]?.double)
        }
        return queues
    }
}

/// A URL taken apart, as far as brokers need it.
struct URLParts {
    var scheme: String
    var user: String?
    var password: String?
    /// With the port, if one is given.
    var host: String
    /// With its slash; still percent-encoded; without query and fragment.
    var path: String

    init?(_ url: String) {
        let text = Substring(url)
        guard let colon = text.firstIndex(of: ":"), text[colon...].hasPrefix("://") else { return nil }
        scheme = text[..<colon].lowercased()
        var rest = text[text.index(colon, offsetBy: 3)...]
        rest = rest.prefix { $0 != "?" && $0 != "#" }
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        path = String(rest[slash...])
        var authority = rest[..<slash]
        if let at = authority.lastIndex(of: "@") {
            let parts = authority[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            user = Self.decoded(parts[0])
            password = parts.count > 1 ? Self.decoded(parts[1]) : nil
            authority = authority[authority.index(after: at)...]
        }
        if authority.isEmpty { return nil }
        host = String(authority)
    }

    /// Percent-decoding; what is no escape stays as it is.
    private static func decoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        let source = Array(text.utf8)
        var index = 0
        while index < source.count {
            if source[index] == UInt8(ascii: "%"), index + 2 < source.count,
                let high = Character(Unicode.Scalar(source[index + 1])).hexDigitValue,
                let low = Character(Unicode.Scalar(source[index + 2])).hexDigitValue
            {
                bytes.append(UInt8(high << 4 | low))
                index += 3
            } else {
                bytes.append(source[index])
                index += 1
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
