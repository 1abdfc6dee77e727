internal import CRabbitMQ
internal import DurableBackend
internal import DurableCore
internal import Logging
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// One connection to the broker with the thread that does all its reading and writing.
///
/// Commands may be posted from any thread. The thread starts with the first one, connects when something needs a
/// connection, and again after a loss when something needs one again.
final class AMQPConnection: Sendable {
    private enum Phase {
        /// Becomes `running` with the first command, or `ended`.
        case idle
        /// Becomes `ended`.
        case running(pthread_t)
        case ended
    }

    private struct Inbox {
        var commands: [ConnectionCommand] = []
        var phase = Phase.idle
        /// Set with `shutDown`; later commands are answered `.closed`.
        var isClosing = false
        /// What wakes the thread out of poll(): waited on, written to. Open from the start of the thread to `deinit`,
        /// so that a late wake-up never reaches another file.
        var wakeEnds: [Int32] = [-1, -1]
        var hasEnded = false
        var waitingForEnd: [UnsafeContinuation<Void, Never>] = []
    }

    let configuration: AMQPConfiguration
    /// Told apart in logs and in the broker's list of connections: "publish", "consume".
    let role: String
    let logger: Logger
    private let inbox = PlatformLock(Inbox())
    private let broker = PlatformLock(String?.none)
    /// True from just before the thread waits in poll() until it or a poster takes it back: only then is a wake-up
    /// needed, and only one poster sends it.
    private let isAsleep = Atomic(false)

    init(_ configuration: AMQPConfiguration, role: String, logger: Logger) {
        self.configuration = configuration
        self.role = role
        self.logger = logger
    }

    deinit {
        let ends = inbox.withLock { $0.wakeEnds }
        if ends[0] >= 0 { dtq_wake_close(ends) }
    }

    /// What the broker said it is when last connected.
    var brokerDescription: String? {
        get { broker.withLock { $0 } }
        set { broker.withLock { $0 = newValue } }
    }

    // MARK: From any thread

    func post(_ command: ConnectionCommand) {
        let wakeEnd: Int32
        do throws(TransportError) {
            wakeEnd = try inbox.withLock { (inbox) throws(TransportError) -> Int32 in
                if inbox.isClosing { throw .closed }
                if case .idle = inbox.phase { inbox.phase = .running(try startThread(&inbox)) }
                if case .shutDown = command { inbox.isClosing = true }
                inbox.commands.append(command)
                return inbox.wakeEnds[1]
            }
        } catch {
            return command.refuse(error)
        }
        if isAsleep.load(ordering: .sequentiallyConsistent),
            isAsleep.exchange(false, ordering: .sequentiallyConsistent)
        {
            dtq_wake_signal(wakeEnd)
        }
    }

    /// Ends connection and thread in order and returns when both are gone. Idempotent.
    func close() async {
        if endIfIdle() { return }
        post(.shutDown)
        await waitForEnd()
        if let thread = takeThread() { pthread_join(thread, nil) }  // it has done its last act: no wait
    }

    /// For an owner that goes away without `close()`: the thread ends by itself.
    func abandon() {
        if endIfIdle() { return }
        post(.shutDown)
        if let thread = takeThread() { pthread_detach(thread) }
    }

    private func endIfIdle() -> Bool {
        inbox.withLock { inbox in
            guard case .idle = inbox.phase else { return false }
            inbox.phase = .ended
            inbox.isClosing = true
            inbox.hasEnded = true
            return true
        }
    }

    private func takeThread() -> pthread_t? {
        inbox.withLock { inbox in
            guard case .running(let thread) = inbox.phase else { return nil }
            inbox.phase = .ended
            return thread
        }
    }

    private func waitForEnd() async {
        await withUnsafeContinuation { (caller: UnsafeContinuation<Void, Never>) in
            let hasEnded = inbox.withLock { inbox in
                if !inbox.hasEnded { inbox.waitingForEnd.append(caller) }
                return inbox.hasEnded
            }
            if hasEnded { caller.resume() }
        }
    }

    /// Runs with the inbox locked.
    private func startThread(_ inbox: inout Inbox) throws(TransportError) -> pthread_t {
        let opened = dtq_wake_open(&inbox.wakeEnds)
        guard opened == 0 else { throw .unreachable("no file descriptor left: \(String(cString: strerror(-opened)))") }
        var thread = pthread_t()
        let this = Unmanaged.passRetained(self)
        let status = pthread_create(
            &thread, nil,
            { argument in
                let pointer: UnsafeMutableRawPointer? = argument
                if let pointer { Unmanaged<AMQPConnection>.fromOpaque(pointer).takeRetainedValue().runThread() }
                return nil
            }, this.toOpaque())
        guard status == 0 else {
            this.release()
            dtq_wake_close(inbox.wakeEnds)
            inbox.wakeEnds = [-1, -1]
            throw .unreachable("no thread for the connection: \(String(cString: strerror(status)))")
        }
        return thread
    }

    // MARK: On the thread

    private func runThread() {
        ConnectionLoop(self, wakeDescriptor: inbox.withLock { $0.wakeEnds[0] }).run()
        let waiting = inbox.withLock { inbox in
            inbox.hasEnded = true
            defer { inbox.waitingForEnd = [] }
            return inbox.waitingForEnd
        }
        for caller in waiting { caller.resume() }
    }

    func takeCommands() -> [ConnectionCommand] {
        inbox.withLock { inbox in
            defer { inbox.commands = [] }
            return inbox.commands
        }
    }

    /// Announces that the thread is about to wait; false when a command has come meanwhile.
    func fallAsleep() -> Bool {
        isAsleep.store(true, ordering: .sequentiallyConsistent)
        if inbox.withLock({ $0.commands.isEmpty }) { return true }
        isAsleep.store(false, ordering: .sequentiallyConsistent)
        return false
    }

    func wakeUp() { isAsleep.store(false, ordering: .sequentiallyConsistent) }
}
