import DurableCore
import DurableTask

extension Programs {
    /// Events from instance to instance.
    ///
    /// Whatever is sent to an instance that does not exist yet is gone, so that peers first find each other with
    /// limited waits. From then on they wait without limit: a lost message leaves them waiting for ever, one that
    /// came twice gives another sum.
    static let messaging: [Program] = [pingPong, notification, ring]

    struct Peers: Codable, Sendable {
        var peers: [InstanceID]
        var rounds: Int
        var bytes = 0
    }

    // MARK: - Ping-pong

    /// Two instances that send to and fro.
    private static let pingPong = Program("PingPong") { _ in
        [
            Orchestration("Ping") { (game: Peers, context: OrchestrationContext) -> Int in
                let peer = game.peers[0]
                try await context.knock(at: peer)
                var sum = 0
                for round in 1...game.rounds {
                    context.send("ping", to: peer, round, number: round, bytes: game.bytes)
                    sum += try await context.waitForExternalEvent("pong", as: Note.self).value
                }
                return sum
            },
            Orchestration("Pong") { (game: Peers, context: OrchestrationContext) -> Int in
                let peer = game.peers[0]
                try await context.answer(peer)
                var sum = 0
                for round in 1...game.rounds {
                    let value = try await context.waitForExternalEvent("ping", as: Note.self).value
                    sum += value
                    context.send("pong", to: peer, 2 * value, number: round, bytes: game.bytes)
                }
                return sum
            },
        ]
    } plan: { draft in
        let ping = draft.newID("ping")
        let pong = draft.newID("pong", draft.chance(0.4) ? .same(as: ping) : .other(than: ping))
        let rounds = draft.int(1...12)
        let bytes = draft.chance(0.2) ? draft.int(1000...10_000) : 0
        let sum = rounds * (rounds + 1) / 2
        draft.add(
            "PingPong", orchestration: "Ping", id: ping,
            input: json(Peers(peers: [pong], rounds: rounds, bytes: bytes)),
            isIndependent: false, outcomes: [.completed(json(2 * sum))])
        draft.add(
            "PingPong", orchestration: "Pong", id: pong,
            input: json(Peers(peers: [ping], rounds: rounds, bytes: bytes)),
            isIndependent: false, outcomes: [.completed(json(sum))])
    }

    // MARK: - One to many

    /// One instance tells many several things in one episode; each thanks it once.
    private static let notification = Program("Notification") { _ in
        [
            Orchestration("Notifier") { (audience: Peers, context: OrchestrationContext) -> Int in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for peer in audience.peers { group.addTask { try await context.knock(at: peer) } }
                    try await group.waitForAll()
                }
                for round in 1...audience.rounds {
                    for (index, peer) in audience.peers.enumerated() {
                        context.send("news", to: peer, 1 << round, number: round * 100 + index)
                    }
                    if round % 3 == 0 { try await context.sleep(for: .milliseconds(300)) }
                }
                var thanks = 0
                for _ in audience.peers {
                    thanks += try await context.waitForExternalEvent("thanks", as: Note.self).value
                }
                return thanks
            },
            Orchestration("Listener") { (audience: Peers, context: OrchestrationContext) -> Int in
                let notifier = audience.peers[0]
                try await context.answer(notifier)
                var sum = 0
                for _ in 0..<audience.rounds {
                    sum += try await context.waitForExternalEvent("news", as: Note.self).value
                }
                context.send("thanks", to: notifier, 1, number: 0)
                return sum
            },
        ]
    } plan: { draft in
        let notifier = draft.newID("notifier")
        let listeners = (0..<draft.int(2...6)).map { _ in draft.newID("listener") }
        let rounds = draft.int(1...8)
        draft.add(
            "Notification", orchestration: "Notifier", id: notifier,
            input: json(Peers(peers: listeners, rounds: rounds)), isIndependent: false,
            outcomes: [.completed(json(listeners.count))])
        let sum = (1...rounds).reduce(0) { $0 + 1 << $1 }
        for listener in listeners {
            draft.add(
                "Notification", orchestration: "Listener", id: listener,
                input: json(Peers(peers: [notifier], rounds: rounds)), isIndependent: false,
                outcomes: [.completed(json(sum))])
        }
    }

    // MARK: - Ring

    struct RingPlace: Codable, Sendable {
        var previous: InstanceID
        var next: InstanceID
        var isFirst: Bool
        var laps: Int
    }

    /// A number goes round through several instances, which each add one.
    private static let ring = Program("Ring") { _ in
        [
            Orchestration("RingPlace") { (place: RingPlace, context: OrchestrationContext) -> Int in
                async let isExpected: Void = context.answer(place.previous)
                try await context.knock(at: place.next)
                try await isExpected
                if place.isFirst { context.send("token", to: place.next, 1, number: 0) }
                var last = 0
                for lap in 1...place.laps {
                    last = try await context.waitForExternalEvent("token", as: Note.self).value
                    if place.isFirst, lap == place.laps { break }
                    context.send("token", to: place.next, last + 1, number: lap)
                }
                return last
            }
        ]
    } plan: { draft in
        let ids = (0..<draft.int(2...6)).map { _ in draft.newID("ring") }
        let laps = draft.int(1...4)
        for (index, id) in ids.enumerated() {
            let place = RingPlace(
                previous: ids[(index + ids.count - 1) % ids.count], next: ids[(index + 1) % ids.count],
                isFirst: index == 0, laps: laps)
            let last = index == 0 ? laps * ids.count : (laps - 1) * ids.count + index
            draft.add(
                "Ring", orchestration: "RingPlace", id: id, input: json(place), isIndependent: false,
                outcomes: [.completed(json(last))])
        }
    }
}

extension OrchestrationContext {
    /// Asks until `peer` is there and answers, ever less often.
    fileprivate func knock(at peer: InstanceID) async throws {
        var pause = Duration.seconds(1)
        var attempt = 0
        while true {
            attempt += 1
            send("hello.\(instanceID)", to: peer, 0, number: attempt)
            do {
                _ = try await waitForExternalEvent("ready.\(peer)", as: Note.self, timeout: pause)
                return
            } catch is ExternalEventTimeout {
                pause = min(pause * 2, .seconds(16))
            }
        }
    }

    /// Answers the first knock of `peer`, which is there then.
    fileprivate func answer(_ peer: InstanceID) async throws {
        _ = try await waitForExternalEvent("hello.\(peer)", as: Note.self)
        send("ready.\(instanceID)", to: peer, 0, number: 0)
    }

    /// - Parameter number: Makes the data unlike that of every other event of this name from here.
    func send(_ name: String, to peer: InstanceID, _ value: Int, number: Int, bytes: Int = 0) {
        let label = "\(instanceID).\(name)-\(number)"
        raiseEvent(to: peer, name, Note(label: label, value: value, filler: filler(bytes)))
    }
}
