internal import DurableCore
internal import Foundation
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Stands between a client and the broker on loopback and can cut or silence what goes through.
package final class TCPProxy: Sendable {
    package let port: Int
    private let listener: Int32
    private let target: UInt16
    private let sockets = PlatformLock([Int32]())
    private let isSilent = Atomic(false)
    private let isHolding = Atomic(false)
    /// What the broker sends passes here.
    private let gate = DispatchSemaphore(value: 1)
    private let connections = Atomic(0)
    private let swallowed = Atomic(0)

    package init(to targetPort: Int) throws {
        let listener = try Self.loopbackSocket()
        self.listener = listener
        target = UInt16(targetPort)
        var address = Self.loopback(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(listener, address, length) == 0 && listen(listener, 16) == 0
                    && getsockname(listener, address, &length) == 0
            }
        }
        guard isBound else { throw POSIXError(.EADDRINUSE) }
        port = Int(UInt16(bigEndian: address.sin_port))
        Thread { [self] in accept() }.start()
    }

    /// How many connections were made through it.
    package var connectionCount: Int { connections.load(ordering: .relaxed) }

    /// Bytes that did not go through.
    package var swallowedByteCount: Int { swallowed.load(ordering: .relaxed) }

    /// Ends all connections; new ones may come.
    package func cut() {
        sockets.withLock { sockets in
            for socket in sockets { shutdown(socket, Int32(SHUT_RDWR)) }
            sockets = []
        }
    }

    /// Swallows everything from now on, as a dead network does.
    package func silence() { isSilent.store(true, ordering: .relaxed) }
    package func restore() { isSilent.store(false, ordering: .relaxed) }

    /// Keeps back what the broker sends until `release()`; nothing is lost.
    package func hold() { if !isHolding.exchange(true, ordering: .relaxed) { gate.wait() } }
    package func release() { if isHolding.exchange(false, ordering: .relaxed) { gate.signal() } }

    /// Ends the proxy: nobody listens on its port any more.
    package func stop() {
        release()
        shutdown(listener, Int32(SHUT_RDWR))
        cut()
    }

    private func accept() {
        while true {
            let client = Self.accepted(listener)
            guard client >= 0 else { break }
            guard let server = try? Self.loopbackSocket() else { break }
            var address = Self.loopback(target)
            let status = withUnsafeMutablePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            guard status == 0 else {
                close(client)
                close(server)
                continue
            }
            connections.add(1, ordering: .relaxed)
            sockets.withLock { $0 += [client, server] }
            let open = OpenEnds(client, server)
            Thread { [self] in pump(from: client, to: server, open, isAnswer: false) }.start()
            Thread { [self] in pump(from: server, to: client, open, isAnswer: true) }.start()
        }
        close(listener)
    }

    /// Both ends are closed when both directions are done.
    private final class OpenEnds: Sendable {
        let client: Int32
        let server: Int32
        let left = Atomic(2)
        init(_ client: Int32, _ server: Int32) {
            self.client = client
            self.server = server
        }
    }

    private func pump(from source: Int32, to sink: Int32, _ open: OpenEnds, isAnswer: Bool) {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        reading: while true {
            let count = read(source, &buffer, buffer.count)
            if count <= 0 { break }
            if isSilent.load(ordering: .relaxed) {
                swallowed.add(count, ordering: .relaxed)
                continue
            }
            if isAnswer {
                gate.wait()
                gate.signal()
            }
            var sent = 0
            while sent < count {
                let written = buffer[sent..<count].withUnsafeBytes {
                    send(sink, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                if written <= 0 { break reading }
                sent += written
            }
        }
        shutdown(sink, Int32(SHUT_RDWR))
        shutdown(source, Int32(SHUT_RDWR))
        if open.left.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 {
            sockets.withLock { $0.removeAll { $0 == open.client || $0 == open.server } }
            close(open.client)
            close(open.server)
        }
    }

    private static func accepted(_ listener: Int32) -> Int32 { Glibc.accept(listener, nil, nil) }

    private static func loopbackSocket() throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw POSIXError(.EMFILE) }
        return descriptor
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }
}
