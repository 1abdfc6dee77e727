import DurableAMQP
import Foundation

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// One plain HTTP exchange on a thread of its own: all the management API needs.
struct HTTPRequest: Sendable {
    struct Failure: Error { var text: String }

    var method: String
    var url: URLComponents
    var body = ""

    func send() async throws -> (status: Int, body: String) {
        try await withCheckedThrowingContinuation { caller in
            Thread { caller.resume(with: Result { try exchange() }) }.start()
        }
    }

    private func exchange() throws -> (status: Int, body: String) {
        let host = url.host ?? "127.0.0.1"
        let descriptor = try openTCP(host: host, port: url.port ?? 80, timeout: .seconds(10)) { Failure(text: $0) }
        defer { close(descriptor) }
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK)
        let login = Data("\(url.user ?? "guest"):\(url.password ?? "guest")".utf8).base64EncodedString()
        // Version 1.0: the answer is neither in chunks nor followed by another.
        let request = """
            \(method) \(url.percentEncodedPath) HTTP/1.0\r
            Host: \(host)\r
            Authorization: Basic \(login)\r
            Content-Type: application/json\r
            Content-Length: \(body.utf8.count)\r
            \r
            \(body)
            """
        var rest = Array(request.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count <= 0 { throw Failure(text: "the connection was closed while sending") }
            rest = rest.dropFirst(count)
        }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = read(descriptor, &buffer, buffer.count), count > 0 { answer += buffer[..<count] }
        let text = String(decoding: answer, as: UTF8.self)
        let parts = text.split(separator: "\r\n\r\n", maxSplits: 1)
        guard let status = text.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else {
            throw Failure(text: "no HTTP answer: \(text.prefix(80))")
        }
        return (status, parts.count > 1 ? String(parts[1]) : "")
    }
}
