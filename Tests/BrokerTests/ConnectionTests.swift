import DurableAMQP
import DurableBackend
import DurableCore
import DurableFaults
import Foundation
import Logging
import Testing

extension RabbitMQTests {
    @Suite("Connections") struct Connections {
        /// A transport that goes through a proxy the test can cut.
        private func withProxy(
            _ change: (inout AMQPConfiguration) -> Void = { _ in }, logger: Logger = .quiet,
            _ body: (AMQPTransport, TCPProxy, Sandbox) async throws -> Void
        ) async throws {
            let sandbox = try await Sandbox.make()
            let proxy = try TCPProxy(to: sandbox.endpoint.port)
            let transport = sandbox.transport(
                {
                    $0.endpoints[0].port = proxy.port
                    change(&$0)
                }, logger: logger)
            do { try await body(transport, proxy, sandbox) } catch {
                await transport.close()
                proxy.stop()
                await sandbox.remove()
                throw error
            }
            await transport.close()
            proxy.stop()
            await sandbox.remove()
        }

        @Test("A cut connection ends waiting publishes and channels with connectionLost; the transport works again")
        func cut() async throws {
            try await withProxy { transport, proxy, sandbox in
                let queue = sandbox.name("q")
                try await transport.declare(sandbox.topology("q"))
                try await transport.publish(["before"], to: queue)
                let (channel, reader) = try await transport.consume(queue)
                #expect(try await reader.next()?.text == "before")

                // Nothing gets through, so the answer cannot have come when the connection goes.
                proxy.silence()
                let waiting = Task { try await transport.publish(["waiting"], to: queue) }
                while proxy.swallowedByteCount == 0 { try await pause() }
                proxy.cut()
                let error = await #expect(throws: TransportError.self) { try await waiting.value }
                guard case .connectionLost? = error else {
                    Issue.record("expected connectionLost, got \(String(describing: error))")
                    return
                }
                let end = await #expect(throws: TransportError.self) { try await reader.next() }
                guard case .connectionLost? = end else {
                    Issue.record("expected connectionLost, got \(String(describing: end))")
                    return
                }
                channel.acknowledge(DeliveryTag(1), multiple: true)
                await channel.close()

                proxy.restore()
                #expect(try await transport.publish(["after"], to: queue) == [.confirmed])
                let (_, again) = try await transport.consume(queue)
                let deliveries = try await again.take(2)
                #expect(deliveries.map(\.text) == ["before", "after"])
                #expect(deliveries.map(\.isRedelivered) == [true, false])
            }
        }

        @Test("A loss is logged once, however many attempts it takes to get back")
        func logsOnce() async throws {
            let log = LogRecorder()
            try await withProxy({ $0.connectionWait = .milliseconds(600) }, logger: log.logger) {
                transport, proxy, sandbox in
                _ = try await transport.inspect(queue: sandbox.name("q"))
                proxy.stop()
                for _ in 0..<2 {
                    await #expect(throws: TransportError.self) {
                        while true { _ = try await transport.inspect(queue: sandbox.name("q")) }
                    }
                }
            }
            #expect(log.lines(at: .warning).filter { $0.hasPrefix("DTQ4005") }.count == 1)
            #expect(log.lines(at: .warning).filter { $0.hasPrefix("DTQ4001") }.count == 1)
        }

        @Test("A publish that is not answered ends, later ones go through, and consumers notice nothing")
        func unanswered() async throws {
            try await withProxy({ $0.confirmPatience = .seconds(1) }) { transport, proxy, sandbox in
                let queue = sandbox.name("q")
                try await transport.declare(sandbox.topology("q"))
                try await transport.publish(["before"], to: queue)
                let (_, reader) = try await transport.consume(queue)
                #expect(try await reader.next()?.text == "before")

                let connections = proxy.connectionCount
                proxy.hold()
                let error = TransportError.connectionLost("the broker has not answered a publish for 1.0 seconds")
                await #expect(throws: error) {
                    try await transport.publish(["unanswered"], to: queue)
                }
                proxy.release()
                #expect(try await transport.publish(["after"], to: queue) == [.confirmed])
                #expect(try await reader.take(2).map(\.text) == ["unanswered", "after"])
                #expect(proxy.connectionCount == connections)
            }
        }

        @Test("A peer that falls silent is given up within two heartbeats, an idle one that answers is kept")
        func silence() async throws {
            try await withProxy({ $0.heartbeatSeconds = 1 }) { transport, proxy, sandbox in
                let queue = sandbox.name("q")
                try await transport.declare(sandbox.topology("q"))
                let (_, reader) = try await transport.consume(queue)
                // Idle for five heartbeats on our side: had we sent none, the broker would have hung up.
                let idle = sandbox.transport()
                try await transport.publish(["first"], to: queue)
                #expect(try await reader.next()?.text == "first")
                let start = ContinuousClock.now
                while ContinuousClock.now - start < .seconds(5) {
                    _ = try await idle.inspect(queue: queue)
                    try await Task.sleep(for: .milliseconds(100))  // the passing of time is what is tested
                }
                #expect(proxy.connectionCount == 2)
                try await transport.publish(["still there"], to: queue)
                #expect(try await reader.next()?.text == "still there")

                proxy.silence()
                let error = await #expect(throws: TransportError.self) { try await reader.next() }
                // On a slow machine the broker may give up first, which closes the connection.
                #expect(
                    error == .connectionLost("the broker was silent for two heartbeats (2 s)")
                        || error == .connectionLost("connection closed unexpectedly"), "\(String(describing: error))")
                await idle.close()
            }
        }

        @Test("A refused login is told at once in the broker's words, without the password")
        func loginRefused() async throws {
            let sandbox = try await Sandbox.make()
            let transport = sandbox.transport { $0.endpoints[0].password = "not-the-password" }
            for publishes in [true, false] {
                let start = ContinuousClock.now
                let error = await #expect(throws: TransportError.self) {
                    if publishes {
                        try await transport.publish(["a"], to: "x")
                    } else {
                        _ = try await transport.openChannel()
                    }
                }
                guard case .accessRefused(let text)? = error else {
                    Issue.record("expected accessRefused, got \(String(describing: error))")
                    continue
                }
                #expect(text.contains("ACCESS_REFUSED - Login was refused"))
                #expect(text.contains("guest@127.0.0.1"))
                #expect(!text.contains("not-the-password"))
                #expect(ContinuousClock.now - start < .seconds(5))
            }
            await transport.close()
            await sandbox.remove()
        }

        @Test("A virtual host that is not there is told at once in the broker's words")
        func wrongVirtualHost() async throws {
            let sandbox = try await Sandbox.make()
            let transport = sandbox.transport { $0.endpoints[0].virtualHost = "no such place" }
            let error = await #expect(throws: TransportError.self) { _ = try await transport.inspect(queue: "q") }
            guard case .accessRefused(let text)? = error else {
                Issue.record("expected accessRefused, got \(String(describing: error))")
                return
            }
            #expect(text.contains("NOT_ALLOWED - vhost no such place not found"))
            await transport.close()
            await sandbox.remove()
        }

        @Test("With nobody listening a call waits as long as configured, then names address and cause")
        func nobodyListening() async throws {
            let sandbox = try await Sandbox.make()
            let proxy = try TCPProxy(to: sandbox.endpoint.port)
            proxy.stop()
            let transport = sandbox.transport {
                $0.endpoints[0].port = proxy.port
                $0.connectionWait = .milliseconds(300)
            }
            let start = ContinuousClock.now
            let error = await #expect(throws: TransportError.self) { _ = try await transport.openChannel() }
            let waited = ContinuousClock.now - start
            guard case .unreachable(let text)? = error else {
                Issue.record("expected unreachable, got \(String(describing: error))")
                return
            }
            #expect(text.contains("127.0.0.1:\(proxy.port)"))
            #expect(text.contains("Connection refused"))
            #expect(waited >= Duration.milliseconds(300))
            #expect(waited < Duration.seconds(3))
            await transport.close()
            await sandbox.remove()
        }

        @Test("Calls reach the broker that lives when another in the list does not")
        func severalEndpoints() async throws {
            let sandbox = try await Sandbox.make()
            let proxy = try TCPProxy(to: sandbox.endpoint.port)
            proxy.stop()
            let transport = sandbox.transport {
                var dead = $0.endpoints[0]
                dead.port = proxy.port
                $0.endpoints = [dead, $0.endpoints[0]]
            }
            try await transport.declare(sandbox.topology("q"))
            #expect(try await transport.publish(["a"], to: sandbox.name("q")) == [.confirmed])
            #expect(await transport.brokerDescription?.hasPrefix("RabbitMQ ") == true)
            await transport.close()
            await sandbox.remove()
        }

        @Test("close ends sequences normally, answers later calls with closed, and may be called again")
        func close() async throws {
            try await withTransport { transport, sandbox in
                try await transport.declare(sandbox.topology("q"))
                try await transport.publish(["a", "b"], to: sandbox.name("q"))
                let (channel, reader) = try await transport.consume(sandbox.name("q"))
                let first = try #require(try await reader.next())
                channel.acknowledge(first.tag, multiple: false)
                async let once: Void = transport.close()
                async let twice: Void = transport.close()
                _ = await (once, twice)
                while try await reader.next() != nil {}
                await #expect(throws: TransportError.closed) { try await transport.publish(["c"], to: "x") }
                await #expect(throws: TransportError.closed) { _ = try await transport.openChannel() }
                await transport.close()

                // What was acknowledged just before is gone, the rest is there.
                let other = sandbox.transport()
                try await other.wait(for: sandbox.name("q")) { $0 == QueueInspection(readyMessages: 1, consumers: 0) }
                await other.close()
            }
        }

        @Test("A transport that was never used closes at once")
        func closeUnused() async throws {
            let transport = AMQPTransport(
                configuration: AMQPConfiguration(endpoints: [AMQPEndpoint(host: "127.0.0.1", port: 1)]), logger: .quiet)
            await transport.close()
            await #expect(throws: TransportError.closed) { _ = try await transport.openChannel() }
            #expect(await transport.brokerDescription == nil)
        }

        @Test(
            "While the broker blocks publishers, publishing waits and everything else goes on",
            .enabled(if: TestBroker.isOurs, "DTQ_TEST_BROKER_DIR is not set: no broker a test may block"))
        func blocked() async throws {
            let log = LogRecorder()
            let sandbox = try await Sandbox.make()
            let transport = sandbox.transport(logger: log.logger)
            let queue = sandbox.name("q")
            try await transport.declare(sandbox.topology("q"))
            try await transport.publish(["before"], to: queue)
            let (channel, reader) = try await transport.consume(queue)
            let before = try #require(try await reader.next())
            try #require(try await TestBroker.control("set_vm_memory_high_watermark", "absolute", "1MB"))
            let trigger = Task { try await transport.publish(["trigger"], to: queue) }
            while !log.lines(at: .warning).contains(where: { $0.hasPrefix("DTQ4004") }) { try await pause() }
            let waiting = Task { try await transport.publish(["waiting"], to: queue) }
            channel.acknowledge(before.tag, multiple: true)
            #expect(try await transport.inspect(queue: queue)?.readyMessages == 0)
            try #require(try await TestBroker.control("set_vm_memory_high_watermark", "0.4"))
            #expect(try await trigger.value == [.confirmed])
            #expect(try await waiting.value == [.confirmed])
            #expect(try await reader.take(2).map(\.text) == ["trigger", "waiting"])
            await transport.close()
            await sandbox.remove()
        }
    }
}

/// Keeps what is logged, for tests about logging.
struct LogRecorder: Sendable {
    private let entries = PlatformLock([(Logger.Level, String)]())

    var logger: Logger {
        Logger(label: "recorded") { [entries] _ in Handler(entries: entries) }
    }

    func lines(at level: Logger.Level) -> [String] {
        entries.withLock { $0.filter { $0.0 == level }.map(\.1) }
    }

    private struct Handler: LogHandler {
        var entries: PlatformLock<[(Logger.Level, String)]>
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.debug

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            entries.withLock { $0.append((event.level, event.message.description)) }
        }
    }
}
