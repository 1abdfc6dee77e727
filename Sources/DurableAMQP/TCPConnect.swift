#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Opens a non-blocking TCP socket to the first address of `host` that answers; blocks up to `timeout` for each.
///
/// - Throws: What `failure` makes of the system's text.
package func openTCP<Failure: Error>(
    host: String, port: Int, timeout: Duration, failure: (String) -> Failure
) throws(Failure) -> Int32 {
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    #if canImport(Glibc)
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    #else
        hints.ai_socktype = SOCK_STREAM
    #endif
    var found: UnsafeMutablePointer<addrinfo>?
    let status = getaddrinfo(host, String(port), &hints, &found)
    guard status == 0 else { throw failure(String(cString: gai_strerror(status))) }
    defer { freeaddrinfo(found) }
    var cause = ECONNREFUSED
    var candidate = found
    while let address = candidate?.pointee {
        let descriptor = socket(address.ai_family, address.ai_socktype, address.ai_protocol)
        cause = descriptor < 0 ? errno : finishConnecting(descriptor, address, timeout)
        if cause == 0 { return descriptor }
        if descriptor >= 0 { close(descriptor) }
        candidate = address.ai_next
    }
    throw failure(String(cString: strerror(cause)))
}

/// 0, or the error number.
private func finishConnecting(_ descriptor: Int32, _ address: addrinfo, _ timeout: Duration) -> Int32 {
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    var one: Int32 = 1
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    if connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 { return 0 }
    guard errno == EINPROGRESS else { return errno }
    let deadline = ContinuousClock.now + timeout
    while true {
        let (seconds, attoseconds) = max(deadline - .now, .zero).components
        var file = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        let ready = poll(&file, 1, Int32(clamping: seconds * 1000 + attoseconds / 1_000_000_000_000_000))
        if ready == 0 { return ETIMEDOUT }
        if ready < 0, errno == EINTR { continue }
        if ready < 0 { return errno }
        var outcome: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &outcome, &length) == 0 ? outcome : errno
    }
}
