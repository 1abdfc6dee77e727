internal import CRabbitMQ
internal import DurableBackend

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// One librabbitmq connection: connects, logs in, reads frames. Not thread-safe: stays on the thread that opened it.
///
/// What we send after the login goes straight to the socket (`send`), from one buffer of ours; librabbitmq must then
/// not send by itself, so its heartbeats are switched off and the connection's loop does them.
final class AMQPSocket {
    private let state: amqp_connection_state_t
    /// For poll().
    let descriptor: Int32
    /// Negotiated; the largest frame either side may send.
    let frameMax: Int
    let channelMax: Int
    let heartbeatSeconds: Int
    /// "RabbitMQ 3.10.8", from what the broker says of itself.
    let brokerDescription: String
    private var framesSinceRelease = 0

    /// Connects and logs in; blocks up to `timeout` for each.
    ///
    /// - Throws: `.unreachable`, or `.accessRefused` when the broker answered with a refusal.
    init(
        to endpoint: AMQPEndpoint, connectionName: String, heartbeatSeconds: Int, timeout: Duration
    ) throws(TransportError) {
        guard let state = amqp_new_connection() else { throw .unreachable("\(endpoint): out of memory") }
        do throws(TransportError) {
            try Self.connect(state, endpoint, timeout)
            try Self.logIn(state, endpoint, connectionName, heartbeatSeconds)
        } catch {
            amqp_destroy_connection(state)
            throw error
        }
        self.state = state
        descriptor = amqp_get_sockfd(state)
        frameMax = Int(amqp_get_frame_max(state))
        channelMax = Int(amqp_get_channel_max(state))
        self.heartbeatSeconds = Int(amqp_get_heartbeat(state))
        brokerDescription = Self.describeBroker(state)
        amqp_tune_connection(state, Int32(channelMax), Int32(frameMax), 0)
    }

    deinit { amqp_destroy_connection(state) }

    private static func connect(
        _ state: amqp_connection_state_t, _ endpoint: AMQPEndpoint, _ timeout: Duration
    ) throws(TransportError) {
        guard let socket = amqp_tcp_socket_new(state) else { throw .unreachable("\(endpoint): out of memory") }
        // librabbitmq would connect too, but does not tell why it could not.
        let descriptor = try openTCP(host: endpoint.host, port: endpoint.port, timeout: timeout) { text in
            TransportError.unreachable("\(endpoint): \(text)")
        }
        amqp_tcp_socket_set_sockfd(socket, descriptor)
        var limit = timeval(timeout)
        amqp_set_handshake_timeout(state, &limit)
    }

    private static func logIn(
        _ state: amqp_connection_state_t, _ endpoint: AMQPEndpoint, _ connectionName: String, _ heartbeatSeconds: Int
    ) throws(TransportError) {
        let answer = dtq_login(
            state, endpoint.virtualHost, 131_072, Int32(heartbeatSeconds), connectionName, endpoint.user,
            endpoint.password)
        switch answer.reply_type {
        case AMQP_RESPONSE_NORMAL: return
        case AMQP_RESPONSE_SERVER_EXCEPTION:
            guard case .connectionClose(let code, let text)? = ServerMethod(answer.reply) else {
                throw .unreachable("\(endpoint): the broker ended the login without a reason")
            }
            // 403 access-refused, 530 not-allowed (virtual host); others, such as 320 at a stop, may pass.
            if code == 403 || code == 530 { throw .accessRefused("\(endpoint): \(text)") }
            throw .unreachable("\(endpoint): \(text)")
        default: throw .unreachable("\(endpoint): during login: \(describe(answer.library_error))")
        }
    }

    private static func describe(_ status: Int32) -> String {
        amqp_error_string2(status).map { String(cString: $0) } ?? "error \(status)"
    }

    private static func describeBroker(_ state: amqp_connection_state_t) -> String {
        guard let table = amqp_get_server_properties(state)?.pointee else { return "unknown broker" }
        var product = "unknown broker"
        var version = ""
        for entry in UnsafeBufferPointer(start: table.entries, count: Int(max(0, table.num_entries)))
        where UInt32(entry.value.kind) == AMQP_FIELD_KIND_UTF8.rawValue {
            switch entry.key.text {
            case "product": product = entry.value.value.bytes.text
            case "version": version = " " + entry.value.value.bytes.text
            default: break
            }
        }
        return product + version
    }

    /// The next frame that has arrived whole, with its channel; nil when there is none now. Never waits.
    func nextFrame() throws(TransportError) -> (channel: UInt16, frame: ServerFrame)? {
        var frame = amqp_frame_t()
        var noWait = timeval()
        let status = amqp_simple_wait_frame_noblock(state, &frame, &noWait)
        if status == AMQP_STATUS_TIMEOUT.rawValue {
            amqp_maybe_release_buffers(state)
            return nil
        }
        guard status == AMQP_STATUS_OK.rawValue else { throw .connectionLost(Self.describe(status)) }
        let copy = ServerFrame(frame)
        framesSinceRelease += 1
        if framesSinceRelease == 32 {  // buffers can only be released between whole frames, which is now
            amqp_maybe_release_buffers(state)
            framesSinceRelease = 0
        }
        return (frame.channel, copy)
    }

    /// Gives bytes to the kernel without waiting.
    ///
    /// - Returns: How many it took, 0 when its buffer is full.
    func send(_ bytes: UnsafeRawBufferPointer) throws(TransportError) -> Int {
        let taken = dtq_send(descriptor, bytes.baseAddress, bytes.count)
        if taken < 0 { throw .connectionLost(String(cString: strerror(Int32(-taken)))) }
        return taken
    }
}

extension timeval {
    fileprivate init(_ duration: Duration) {
        let (seconds, attoseconds) = max(duration, .zero).components
        self.init()
        tv_sec = .init(seconds)
        tv_usec = .init(attoseconds / 1_000_000_000_000)
    }
}
