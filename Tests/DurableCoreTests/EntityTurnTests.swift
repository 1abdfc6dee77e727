import DurableCore
import Testing

@Suite("The turn of an entity") struct EntityTurnTests {
    private let now = Timestamp(millisecondsSinceEpoch: 1000)
    private let first = EntityID(name: "Account", key: "a").instanceID
    private let second = EntityID(name: "Account", key: "b").instanceID
    private let third = EntityID(name: "Account", key: "c").instanceID

    private func signal(_ id: String, _ input: String = "1") -> HistoryEvent.Kind {
        .entityOperationSignaled(EntitySignal(requestID: id, operation: "add", input: Payload(input)))
    }

    private func call(_ id: String, section: String? = nil) -> HistoryEvent.Kind {
        .entityOperationCalled(
            EntityCall(
                requestID: id, operation: "add", input: Payload("1"), parent: InstanceID("o"),
                parentExecution: ExecutionID("e"), section: section))
    }

    private func lock(_ section: String, at position: Int = 0, of set: [InstanceID]) -> HistoryEvent.Kind {
        .entityLockRequested(
            EntityLockRequest(
                section: section, lockSet: set, position: position, parent: InstanceID("o"),
                parentExecution: ExecutionID("e")))
    }

    private func unlock(_ section: String, at position: Int = 0, of set: [InstanceID] = []) -> HistoryEvent.Kind {
        .entityUnlockSent(EntityUnlock(section: section, lockSet: set, position: position))
    }

    /// Takes what comes, as an owner does, and sums what it is told.
    private func run(_ kinds: [HistoryEvent.Kind], _ known: InstanceState? = nil) -> (InstanceState?, [String]) {
        var state = known
        for (number, kind) in kinds.enumerated() {
            let message = Message(
                id: MessageID("m-\(number)-\(kinds.count)"), instanceID: first,
                origin: Origin(partition: PartitionID(1), incarnation: 1, sequence: UInt64(number + 1)),
                event: HistoryEvent(timestamp: now, kind: kind))
            let acceptance = state?.decide(message, at: now) ?? InstanceState.decide(message, at: now)
            guard case .accepted(let change, _) = acceptance else { continue }
            if state == nil { state = InstanceState.created(by: change) }
            state?.evolve(with: change)
        }
        guard var entity = state else { return (nil, []) }
        var done: [String] = []
        var turn = EntityTurn(entity, at: now)
        while let operation = turn.next() {
            let sum = (Int(turn.entity.state?.text ?? "0") ?? 0) + (Int(operation.input?.text ?? "0") ?? 0)
            turn.finish(
                operation,
                EntityOutcome(state: Payload("\(sum)"), result: .completed(Payload("\(sum)"))))
            done.append(operation.requestID)
        }
        entity.evolve(with: entity.change(by: turn, at: now))
        return (entity, done + turn.messages.map { "\($0.event.typeName) to \($0.instanceID)" })
    }

    @Test("The first operation makes the entity; operations are performed in order, and calls are answered")
    func operations() {
        let (entity, done) = run([signal("s1", "2"), call("o/1"), signal("s2", "3")])
        #expect(done == ["s1", "o/1", "s2", "EntityOperationCompleted to o"])
        #expect(entity?.entity == EntityState(state: Payload("6")))
        #expect(entity?.inbox == [])
        #expect(entity?.historyCount == 0)
        #expect(entity?.status == .running)
        #expect(entity?.name == "@Account")
    }

    @Test("While a section has it, others wait in order, and the section's own calls are served") func locked() {
        let (locked, done) = run([
            signal("s1"), lock("o/2", of: [first]), signal("s2"), call("p/1"), call("o/3", section: "o/2"),
        ])
        #expect(done == ["s1", "o/3", "EntityLockGranted to o", "EntityOperationCompleted to o"])
        #expect(locked?.entity?.lock?.section == "o/2")
        #expect(locked?.inbox.compactMap(\.entityKey) == ["op:s2", "op:p/1"])
        let (unlocked, later) = run([unlock("o/2")], locked)
        #expect(later == ["s2", "p/1", "EntityOperationCompleted to o"])
        #expect(unlocked?.entity == EntityState(state: Payload("4")))
    }

    @Test("A call of the same instance outside of the section waits too") func outside() {
        let (entity, done) = run([lock("o/2", of: [first]), call("o/3"), call("o/4", section: "o/9")])
        #expect(done == ["EntityLockGranted to o"])
        #expect(entity?.inbox.count == 2)
    }

    @Test("A section goes on to the next entity, and the last one grants it") func chain() {
        #expect(run([lock("o/2", of: [first, second])]).1 == ["EntityLockRequested to \(second)"])
        #expect(run([lock("o/2", at: 1, of: [second, first])]).1 == ["EntityLockGranted to o"])
    }

    @Test("Sections take turns in order of arrival") func turns() {
        let (entity, _) = run([lock("o/1", of: [first]), lock("p/1", of: [first]), lock("q/1", of: [first])])
        #expect(entity?.entity?.lock?.section == "o/1")
        let (next, _) = run([unlock("o/1")], entity)
        #expect(next?.entity?.lock?.section == "p/1")
        let (last, _) = run([unlock("q/1"), unlock("p/1")], next)
        #expect(last?.entity?.lock == nil)
        #expect(last?.inbox == [])
    }

    @Test("What gives a section up follows it as far as it came") func abandonment() {
        let set = [first, second, third]
        let (held, _) = run([lock("o/1", of: set)])
        #expect(run([unlock("o/1", of: set)], held).1 == ["EntityUnlockSent to \(second)"])
        // It waits here, and has never gone on.
        let (waits, _) = run([lock("p/1", of: [first]), lock("o/1", of: set)])
        let (left, sent) = run([unlock("o/1", of: set)], waits)
        #expect(sent == [])
        #expect(left?.entity?.lock?.section == "p/1")
        #expect(left?.inbox == [])
        // It ended here before.
        #expect(run([unlock("o/1", of: set)], run([signal("s")]).0).1 == [])
    }

    @Test("The end of a section makes no entity") func noEntity() { #expect(run([unlock("o/1")]).0 == nil) }

    @Test("A failed operation answers its caller, and the state stays") func failure() {
        let (entity, _) = run([signal("s1", "5")])
        guard let entity else { return }
        var state = entity
        state.inbox = [HistoryEvent(timestamp: now, kind: call("o/1"))]
        var turn = EntityTurn(state, at: now)
        guard let operation = turn.next() else {
            Issue.record("the call is performed")
            return
        }
        turn.finish(
            operation,
            EntityOutcome(state: turn.entity.state, result: .failed(FailureDetails(errorType: "No", message: ""))))
        #expect(turn.entity.state == Payload("5"))
        #expect(turn.messages.map(\.event.typeName) == ["EntityOperationFailed"])
        #expect(turn.messages[0].executionID == ExecutionID("e"))
    }

    @Test("An entity takes neither events nor commands, and no orchestration may have its ID") func others() {
        let (entity, _) = run([signal("s1")])
        for kind in [
            HistoryEvent.Kind.eventRaised(name: "x", input: nil), .executionTerminated(reason: nil, recurse: true),
            .executionSuspended(reason: nil),
        ] {
            let message = Message(
                id: MessageID("m"), instanceID: first, event: HistoryEvent(timestamp: now, kind: kind))
            #expect(entity?.decide(message, at: now) == .ignored(.unexpected))
            #expect(InstanceState.decide(message, at: now) == .ignored(.notFound))
        }
    }

    @Test("A client's signal is applied once") func repeated() {
        let message = Message(
            id: MessageID("m"), instanceID: first, event: HistoryEvent(timestamp: now, kind: signal("")))
        guard case .accepted(let change, .accepted) = InstanceState.decide(message, at: now),
            var state = InstanceState.created(by: change)
        else {
            Issue.record("it is taken")
            return
        }
        state.evolve(with: change)
        #expect(state.decide(message, at: now) == .ignored(.duplicate))
        #expect(state.inbox.first?.entityKey == "op:m")
    }

    @Test("Messages handled with the change they came with are not kept; changes come to the same in any grouping")
    func merged() {
        let (known, _) = run([lock("o/1", of: [first]), signal("s1")])
        guard let known else { return }
        var (single, together) = (known, known)
        var whole: InstanceChange?
        func fold(_ change: InstanceChange) {
            single.evolve(with: change)
            if whole?.merge(change) == nil { whole = change }
        }
        for kind in [unlock("o/1"), signal("s2"), lock("p/1", of: [first]), signal("s3")] {
            let event = HistoryEvent(timestamp: now, kind: kind)
            fold(InstanceChange(instanceID: first, time: now, buffered: [event]))
        }
        var turn = EntityTurn(single, at: now)
        while let operation = turn.next() {
            turn.finish(operation, EntityOutcome(state: Payload("1"), result: .completed(nil)))
        }
        fold(single.change(by: turn, at: now))
        if let whole { together.evolve(with: whole) }
        #expect(together == single)
        #expect(single.inbox.compactMap(\.entityKey) == ["op:s3"])
        #expect(whole?.handled == ["op:s1"])
        #expect(whole?.buffered.compactMap(\.entityKey) == ["op:s3"])
    }

    @Test("An entity with nothing left has ended, begins anew, and knows what it has applied, in any grouping")
    func empty() {
        func message(_ id: String) -> Message {
            Message(id: MessageID(id), instanceID: first, event: HistoryEvent(timestamp: now, kind: signal("")))
        }
        var (single, together): (InstanceState?, InstanceState?) = (nil, nil)
        func batch(_ ids: [String], leaving state: Payload?) -> [Acceptance] {
            var answers: [Acceptance] = []
            var whole: InstanceChange?
            func fold(_ change: InstanceChange) {
                if single == nil { single = InstanceState.created(by: change) }
                single?.evolve(with: change)
                if whole?.merge(change) == nil { whole = change }
            }
            for id in ids {
                let answer = single?.decide(message(id), at: now) ?? InstanceState.decide(message(id), at: now)
                answers.append(answer)
                if case .accepted(let change, _) = answer { fold(change) }
            }
            if let entity = single, !entity.inbox.isEmpty {
                var turn = EntityTurn(entity, at: now)
                while let operation = turn.next() {
                    turn.finish(operation, EntityOutcome(state: state, result: .completed(nil)))
                }
                fold(entity.change(by: turn, at: now))
            }
            if let whole {
                if together == nil { together = InstanceState.created(by: whole) }
                together?.evolve(with: whole)
            }
            return answers
        }
        _ = batch(["m1", "m2"], leaving: nil)
        #expect(single?.status == .completed)
        #expect(single == together)
        #expect(batch(["m1"], leaving: nil) == [.ignored(.duplicate)])
        _ = batch(["m3"], leaving: nil)
        #expect(single == together)
        _ = batch(["m4", "m5"], leaving: Payload("1"))
        #expect(single?.status == .running)
        #expect(single == together)
        #expect(batch(["m1", "m3", "m5"], leaving: nil) == Array(repeating: .ignored(.duplicate), count: 3))
        // An owner whose copy lacks what has ended makes the same of the record.
        _ = batch(["m6"], leaving: nil)
        guard let ended = single, case .accepted(let change, _) = ended.decide(message("m7"), at: now),
            var known = single, var unknown = InstanceState.created(by: change)
        else {
            Issue.record("it is used again")
            return
        }
        known.evolve(with: change)
        unknown.evolve(with: change)
        #expect(known == unknown)
        #expect(known.appliedMessages.count == 7)
        let end = Message(
            id: MessageID("u"), instanceID: first,
            origin: Origin(partition: PartitionID(1), incarnation: 1, sequence: 1),
            event: HistoryEvent(timestamp: now, kind: unlock("o/1")))
        #expect(ended.decide(end, at: now) == .ignored(.unexpected))
    }

    @Test("What was applied before its sequences were noted is not applied again, also once it was empty") func ahead()
    {
        func message(_ partition: Int, _ incarnation: UInt64, _ sequence: UInt64) -> Message {
            Message(
                id: MessageID("m"), instanceID: first,
                origin: Origin(partition: PartitionID(partition), incarnation: incarnation, sequence: sequence),
                event: HistoryEvent(timestamp: now, kind: signal("s")))
        }
        func isNew(_ message: Message, to state: InstanceState) -> Bool {
            state.decide(message, at: now) != .ignored(.duplicate)
        }
        guard var state = run([signal("s")]).0, var entity = state.entity else {
            Issue.record("it is there")
            return
        }
        entity.note(applied: [4, 7, 6].map { Origin(partition: PartitionID(2), incarnation: 1, sequence: $0) })
        entity.state = nil
        var change = InstanceChange(instanceID: first, time: now)
        change.entity = entity
        state.evolve(with: change)
        #expect(state.status == .completed)
        for _ in 0..<2 {
            #expect(!isNew(message(2, 1, 5), to: state))
            #expect(!isNew(message(2, 1, 7), to: state))
            #expect(isNew(message(2, 1, 8), to: state))
            #expect(isNew(message(2, 2, 1), to: state))
            #expect(isNew(message(3, 1, 1), to: state))
            guard case .accepted(let change, _) = state.decide(message(3, 1, 1), at: now) else { continue }
            state.evolve(with: change)
            #expect(state.status == .running)
        }
    }
}
