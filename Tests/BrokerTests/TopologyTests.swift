import DurableAMQP
import DurableBackend
import DurableCore
import Foundation
import Testing

/// The checked-in definitions and the code that makes them.
@Suite("Topology file") struct TopologyFileTests {
    static let sample: HubTopology? = HubName("orders").map {
        HubTopology(hub: $0, partitionCount: 8, queueKind: .quorum, hasLogStreams: true)
    }
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "topology")

    @Test("topology/orders.json is what the code says, byte for byte")
    func file() throws {
        let sample = try #require(Self.sample)
        let file = Self.folder.appending(path: "orders.json")
        if ProcessInfo.processInfo.environment["DTQ_WRITE_TOPOLOGY"] == "1" {
            try sample.everything.brokerDefinitions().write(to: file, atomically: true, encoding: .utf8)
        }
        #expect(
            try String(contentsOf: file, encoding: .utf8) == sample.everything.brokerDefinitions(),
            "write it anew: DTQ_WRITE_TOPOLOGY=1 swift test --filter TopologyFile")
    }

    @Test("topology/README.md shows the permissions the code gives")
    func readme() throws {
        let sample = try #require(Self.sample)
        let text = try String(contentsOf: Self.folder.appending(path: "README.md"), encoding: .utf8)
        for role in BrokerRole.allCases {
            let given = role.permissions(in: sample)
            let command = """
                rabbitmqctl set_permissions orders-\(role.rawValue) \\
                    '\(given.configure)' \\
                    '\(given.write)' \\
                    '\(given.read)'
                """
            #expect(text.contains(command))
        }
    }

    @Test("Names with quotes and control characters stay JSON")
    func quoting() throws {
        let topology = TopologyFragment(exchanges: [ExchangeDescription(name: "a\"\\\n\u{1}ä", kind: .topic)])
        let parsed = try JSONSerialization.jsonObject(with: Data(topology.brokerDefinitions(virtualHost: "v").utf8))
        let exchanges = try #require((parsed as? [String: Any])?["exchanges"] as? [[String: Any]])
        #expect(exchanges.first?["name"] as? String == "a\"\\\n\u{1}ä")
        #expect(exchanges.first?["vhost"] as? String == "v")
    }
}

extension RabbitMQTests {
    @Suite("Topology") struct Topology {
        private func hub() throws -> HubTopology {
            let name = try #require(HubName("verify-\(UInt32.random(in: .min ... .max))"))
            return HubTopology(hub: name, partitionCount: 2, queueKind: .quorum)
        }

        @Test("A hub that was declared differs in nothing, and declaring it again changes nothing")
        func declared() async throws {
            try await withTransport { transport, _ in
                let everything = try hub().everything
                try await transport.declare(everything)
                try await transport.declare(everything)
                #expect(try await transport.differences(from: everything) == [])
                try await transport.delete(
                    queues: everything.queues.map(\.name), exchanges: everything.exchanges.map(\.name))
                #expect(
                    try await transport.differences(from: everything).count
                        == everything.queues.count + everything.exchanges.count)
            }
        }

        @Test("What is missing or otherwise than described is told line by line, with the broker's text")
        func differences() async throws {
            try await withTransport { transport, sandbox in
                try await transport.declare(sandbox.topology("kept"))
                try await transport.declare(sandbox.topology("other", .classic))
                var asked = sandbox.topology("kept")
                asked.exchanges[0].kind = .fanout
                asked.queues += sandbox.topology("other").queues
                asked.queues += sandbox.topology("gone", .stream).queues
                asked.exchanges.append(ExchangeDescription(name: sandbox.name("nowhere"), kind: .topic))
                let lines = try await transport.differences(from: asked).map(\.text)
                try #require(lines.count == 4)
                let kept = sandbox.name("kept")
                #expect(lines[0].hasPrefix("exchange '\(kept)' differs: PRECONDITION_FAILED - inequivalent arg 'type'"))
                #expect(lines[1] == "exchange '\(sandbox.name("nowhere"))' (topic) is missing")
                #expect(
                    lines[2].hasPrefix(
                        "queue '\(sandbox.name("other"))' differs: PRECONDITION_FAILED - inequivalent arg"))
                #expect(lines[3] == "stream '\(sandbox.name("gone"))' (stream) is missing")
            }
        }

        @Test(
            "Definitions imported into a broker are what the code declares",
            .enabled(if: TestBroker.hasManagement, "DTQ_TEST_MANAGEMENT_URL is not set"))
        func imported() async throws {
            try await withTransport { transport, sandbox in
                let everything = try #require(TopologyFileTests.sample).everything
                try await TestBroker.manage(
                    "POST", "definitions", everything.brokerDefinitions(virtualHost: sandbox.endpoint.virtualHost))
                #expect(try await transport.differences(from: everything) == [])
                // Bindings, which AMQP does not show: a message for each must find its queue.
                let messages = everything.bindings.map {
                    OutgoingMessage(
                        exchange: $0.exchange, routingKey: $0.routingKey, properties: MessageProperties(), body: [])
                }
                #expect(try await transport.publish(messages) == messages.map { _ in .confirmed })
            }
        }

        @Test("A refused declaration disturbs no consumer and no publisher")
        func undisturbed() async throws {
            try await withTransport { transport, sandbox in
                let queue = sandbox.name("q")
                try await transport.declare(sandbox.topology("q"))
                let (_, reader) = try await transport.consume(queue)
                #expect(try await transport.inspect(queue: sandbox.name("missing")) == nil)
                #expect(try await !transport.exchangeExists(sandbox.name("missing")))
                let error = await #expect(throws: TransportError.self) {
                    try await transport.declare(sandbox.topology("q", .classic))
                }
                guard case .refused(code: 406, let text)? = error else {
                    Issue.record("expected refused 406, got \(String(describing: error))")
                    return
                }
                #expect(text.contains("PRECONDITION_FAILED"))
                #expect(text.contains(queue))
                try await transport.publish(["a"], to: queue)
                #expect(try await reader.next()?.text == "a")
            }
        }

        @Test(
            "Each broker user may do its job and no more",
            .enabled(if: TestBroker.hasManagement, "DTQ_TEST_MANAGEMENT_URL is not set"))
        func leastPrivilege() async throws {
            try await withTransport { admin, sandbox in
                let hub = try hub()
                try await admin.declare(hub.everything)
                func login(_ role: BrokerRole) async throws -> AMQPTransport {
                    let user = "\(sandbox.endpoint.virtualHost)-\(role.rawValue)"
                    let given = role.permissions(in: hub)
                    let permissions = ["configure": given.configure, "write": given.write, "read": given.read]
                    let body = String(decoding: try JSONEncoder().encode(permissions), as: UTF8.self)
                    try await TestBroker.manage("PUT", "users/\(user)", #"{"password":"p","tags":""}"#)
                    try await TestBroker.manage("PUT", "permissions/\(sandbox.endpoint.virtualHost)/\(user)", body)
                    return sandbox.transport {
                        $0.endpoints[0].user = user
                        $0.endpoints[0].password = "p"
                    }
                }
                func publish(_ family: HubTopology.Family, _ key: String, as user: AMQPTransport) async throws {
                    let message = OutgoingMessage(
                        exchange: hub.name(family), routingKey: key, properties: MessageProperties(), body: [])
                    #expect(try await user.publish([message]) == [.confirmed])
                }
                func refuses(_ body: () async throws -> Void) async {
                    let error = await #expect(throws: TransportError.self) { try await body() }
                    guard case .refused(code: 403, _)? = error else {
                        Issue.record("expected refused 403, got \(String(describing: error))")
                        return
                    }
                }
                func privateQueue(_ family: HubTopology.Family, as user: AMQPTransport) async throws {
                    let channel = try await user.openChannel()
                    let name = "\(hub.name(family)).\(UInt32.random(in: .min ... .max))"
                    try await channel.declarePrivateQueue(
                        name: name, bindings: [PrivateBinding(exchange: hub.name(family), routingKey: "x")])
                    try await channel.consume(queue: name, consumerTag: "c", prefetch: 1, from: nil, exclusive: true)
                }

                let client = try await login(.client)
                try await publish(.client, "0", as: client)
                try await privateQueue(.reply, as: client)
                try await privateQueue(.fleet, as: client)
                _ = try await client.consume(hub.name(.hub), from: .first)
                await refuses { try await publish(.control, "0", as: client) }
                await refuses { try await publish(.own, "0", as: client) }
                await refuses { _ = try await client.consume(hub.queue(.control, PartitionID(0))) }
                await refuses { try await client.delete(queues: [hub.queue(.control, PartitionID(0))], exchanges: []) }

                let worker = try await login(.worker)
                try await worker.declare(hub.work(activities: ["Charge"]))
                for (family, key) in [
                    (HubTopology.Family.journal, ""), (.own, "0"), (.control, "0"), (.work, "Charge"), (.dead, ""),
                    (.client, "0"),
                ] {
                    try await publish(family, key, as: worker)
                }
                try await privateQueue(.fleet, as: worker)
                _ = try await worker.consume(hub.name(.journal), from: .first)
                for family in [HubTopology.Family.own, .control, .query] {
                    _ = try await worker.consume(hub.queue(family, PartitionID(0)))
                }
                _ = try await worker.consume(hub.workQueue("Charge"))
                await refuses { try await publish(.hub, "", as: worker) }
                await refuses { try await worker.delete(queues: [hub.name(.journal)], exchanges: []) }
                await refuses {
                    _ = try await worker.publish([
                        OutgoingMessage(
                            exchange: "", routingKey: hub.name(.dead), properties: MessageProperties(), body: [])
                    ])
                }

                let monitor = try await login(.monitor)
                #expect(try await monitor.inspect(queue: hub.queue(.control, PartitionID(0)))?.consumers == 1)
                try await privateQueue(.fleet, as: monitor)
                await refuses { try await publish(.client, "0", as: monitor) }
                await refuses { _ = try await monitor.consume(hub.queue(.control, PartitionID(0))) }
                for (user, role) in [(client, BrokerRole.client), (worker, .worker), (monitor, .monitor)] {
                    await user.close()
                    try await TestBroker.manage("DELETE", "users/\(sandbox.endpoint.virtualHost)-\(role.rawValue)")
                }
            }
        }
    }
}
