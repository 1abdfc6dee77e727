import DurableAMQP
import DurableBackend
import Foundation
import Logging
import Testing

/// The broker the environment names (`ops/lib/broker.sh start DIR; . DIR/env`).
enum TestBroker {
    static let amqpURL = ProcessInfo.processInfo.environment["DTQ_TEST_AMQP_URL"]
    static let managementURL = ProcessInfo.processInfo.environment["DTQ_TEST_MANAGEMENT_URL"]
    /// Directory of a private broker that tests may disturb.
    static let directory = ProcessInfo.processInfo.environment["DTQ_TEST_BROKER_DIR"]

    static var isThere: Bool { amqpURL != nil }
    static var hasManagement: Bool { isThere && managementURL != nil }
    static var isOurs: Bool { isThere && directory != nil }

    struct Unusable: Error { var text: String }

    /// One request to the management API.
    @discardableResult
    static func manage(_ method: String, _ path: String, _ body: String = "") async throws -> String {
        guard let managementURL, var url = URLComponents(string: managementURL) else {
            throw Unusable(text: "DTQ_TEST_MANAGEMENT_URL is not set or no URL")
        }
        url.percentEncodedPath = "/api/" + path
        let answer = try await HTTPRequest(method: method, url: url, body: body).send()
        guard (200..<300).contains(answer.status) else {
            throw Unusable(text: "\(method) \(path): \(answer.status) \(answer.body)")
        }
        return answer.body
    }

    /// Runs rabbitmqctl for the private broker; false when it fails.
    static func control(_ arguments: String...) async throws -> Bool {
        guard let directory else { throw Unusable(text: "DTQ_TEST_BROKER_DIR is not set") }
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let process = Process()
        process.executableURL = root.appending(path: "ops/lib/broker.sh")
        process.arguments = ["ctl", directory] + arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        return try await withCheckedThrowingContinuation { caller in
            process.terminationHandler = { caller.resume(returning: $0.terminationStatus == 0) }
            do { try process.run() } catch { caller.resume(throwing: error) }
        }
    }
}

/// A place at the broker for one test: a virtual host of its own where the management API is known, else unique names
/// in the given one. Everything in it goes with `remove()`.
struct Sandbox: Sendable {
    var endpoint: AMQPEndpoint
    /// Goes before every queue and exchange name.
    var prefix: String
    private var ownsVirtualHost: Bool

    static func make() async throws -> Sandbox {
        guard let url = TestBroker.amqpURL else { throw TestBroker.Unusable(text: "DTQ_TEST_AMQP_URL is not set") }
        var endpoint = try AMQPEndpoint(parsing: url)
        let unique = "dtq-test-\(UUID().uuidString.lowercased().prefix(8))"
        guard TestBroker.hasManagement else {
            return Sandbox(endpoint: endpoint, prefix: unique + ".", ownsVirtualHost: false)
        }
        try await TestBroker.manage("PUT", "vhosts/\(unique)")
        try await TestBroker.manage(
            "PUT", "permissions/\(unique)/\(endpoint.user)", #"{"configure":".*","write":".*","read":".*"}"#)
        endpoint.virtualHost = unique
        return Sandbox(endpoint: endpoint, prefix: "", ownsVirtualHost: true)
    }

    func remove() async {
        guard ownsVirtualHost else { return }
        _ = try? await TestBroker.manage("DELETE", "vhosts/\(endpoint.virtualHost)")
    }

    func name(_ name: String) -> String { prefix + name }

    func transport(_ change: (inout AMQPConfiguration) -> Void = { _ in }, logger: Logger = .quiet) -> AMQPTransport {
        var configuration = AMQPConfiguration(endpoints: [endpoint], connectionName: "dtq tests")
        change(&configuration)
        return AMQPTransport(configuration: configuration, logger: logger)
    }

    /// One durable queue bound to an exchange of the same name with key "k".
    func topology(
        _ name: String, _ kind: QueueDescription.Kind = .quorum, _ change: (inout QueueDescription) -> Void = { _ in }
    ) -> TopologyFragment {
        var queue = QueueDescription(
            name: self.name(name), kind: kind, deliveryLimit: kind == .quorum ? HubTopology.deliveryLimit : nil)
        change(&queue)
        return TopologyFragment(
            exchanges: [ExchangeDescription(name: self.name(name), kind: .direct)], queues: [queue],
            bindings: [BindingDescription(exchange: self.name(name), queue: self.name(name), routingKey: "k")])
    }
}

extension Logger {
    static var quiet: Logger { Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() } }
}

/// Runs `body` with a transport in a sandbox of its own and takes both away afterwards.
func withTransport(
    _ change: (inout AMQPConfiguration) -> Void = { _ in },
    _ body: (AMQPTransport, Sandbox) async throws -> Void
) async throws {
    let sandbox = try await Sandbox.make()
    let transport = sandbox.transport(change)
    do {
        try await body(transport, sandbox)
    } catch {
        await transport.close()
        await sandbox.remove()
        throw error
    }
    await transport.close()
    await sandbox.remove()
}

extension MessageTransport {
    /// Publishes one message a body to the exchange `name` with key "k".
    @discardableResult
    func publish(_ bodies: [String], to name: String, key: String = "k") async throws -> [PublishOutcome] {
        try await publish(
            bodies.map {
                OutgoingMessage(
                    exchange: name, routingKey: key, properties: MessageProperties(messageID: $0), body: Array($0.utf8))
            })
    }

    func consume(
        _ queue: String, tag: String = "c", prefetch: Int = 100, from: StreamOffset? = nil
    ) async throws -> (any ConsumerChannel, DeliveryReader) {
        let channel = try await openChannel()
        try await channel.consume(queue: queue, consumerTag: tag, prefetch: prefetch, from: from, exclusive: false)
        return (channel, DeliveryReader(channel))
    }

    /// Waits until the queue's depth fits; the suite's time limit ends a wait in vain.
    func wait(for queue: String, until fits: (QueueInspection?) -> Bool) async throws {
        while !fits(try await inspect(queue: queue)) { try await pause() }
    }
}

/// Reads a channel's deliveries one by one.
final class DeliveryReader {
    private var iterator: DeliverySequence.Iterator
    private var buffer: [Delivery] = []

    init(_ channel: any ConsumerChannel) { iterator = channel.deliveries.makeAsyncIterator() }

    func next() async throws -> Delivery? {
        while buffer.isEmpty {
            guard let batch = try await iterator.next() else { return nil }
            buffer = batch
        }
        return buffer.removeFirst()
    }

    func take(_ count: Int) async throws -> [Delivery] {
        var taken: [Delivery] = []
        while taken.count < count, let delivery = try await next() { taken.append(delivery) }
        return taken
    }
}

extension Delivery {
    var text: String { String(decoding: body, as: UTF8.self) }
}

/// Lets others run between two looks at a condition; throws once the suite's time limit has cancelled the test.
func pause() async throws {
    try Task.checkCancellation()
    await Task.yield()
}
