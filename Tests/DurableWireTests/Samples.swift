import DurableCore

/// Values that fill every field at least once.
enum Samples {
    static let time = Timestamp(millisecondsSinceEpoch: 1_795_512_600_123)
    static let epoch = Epoch(generation: 3, offset: 41)

    static let failure = FailureDetails(
        errorType: "PaymentDeclined", message: "card expired", stackTrace: "at charge()", isNonRetryable: true,
        cause: [
            FailureDetails(errorType: "GatewayError", message: "402"),
            FailureDetails(errorType: "SocketError", message: "reset", stackTrace: ""),
        ])

    static let start = ExecutionStarted(
        name: "ShipOrder", version: "3", input: Payload("{\"order\":1}"), instanceID: InstanceID("o-1881"),
        executionID: ExecutionID("exec-1"), scheduledStart: time,
        parent: .init(
            taskID: EventID(4), name: "Parent", instanceID: InstanceID("p-1"), executionID: ExecutionID("exec-0")),
        traceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        tags: [.init(key: "customer", value: "7"), .init(key: "region", value: "eu")])

    /// Every kind of event, with and without its optional parts.
    static let kinds: [HistoryEvent.Kind] = [
        .orchestratorStarted,
        .executionStarted(start),
        .executionStarted(
            ExecutionStarted(name: "Bare", instanceID: InstanceID("b"), executionID: ExecutionID(""))),
        .executionCompleted(status: .completed, result: Payload("[1]"), failure: nil),
        .executionCompleted(status: .failed, result: nil, failure: failure),
        .executionTerminated(reason: Payload("too late"), recurse: true),
        .executionTerminated(reason: nil, recurse: false),
        .cancellationRequested(reason: Payload("changed her mind")),
        .cancellationRequested(reason: nil),
        .executionSuspended(reason: Payload("audit")),
        .executionSuspended(reason: nil),
        .executionResumed(reason: Payload("done")),
        .executionResumed(reason: nil),
        .taskScheduled(name: "Charge", input: Payload("{}")),
        .taskScheduled(name: "Charge", input: nil),
        .taskCompleted(taskID: EventID(0), result: Payload([0, 0xff, 0x80])),
        .taskCompleted(taskID: EventID(7), result: Payload()),
        .taskCompleted(taskID: EventID(7), result: nil),
        .taskFailed(taskID: EventID(2), failure: failure),
        .timerCreated(fireAt: time),
        .timerFired(timerID: EventID(3), fireAt: time),
        .eventSent(instanceID: InstanceID("other"), name: "Paid", input: Payload("1")),
        .eventSent(instanceID: InstanceID("other"), name: "Paid", input: nil),
        .eventRaised(name: "Paid", input: Payload("1")),
        .eventRaised(name: "Paid", input: nil),
        .subOrchestrationCreated(
            ChildStart(instanceID: InstanceID("child"), name: "Child", version: "2", input: Payload("1"))),
        .subOrchestrationCreated(ChildStart(instanceID: InstanceID("child"), name: "Child", isDetached: true)),
        .subOrchestrationCreated(
            ChildStart(instanceID: InstanceID("child"), name: "Child", tags: [.init(key: "region", value: "eu")])),
        .subOrchestrationCompleted(taskID: EventID(5), result: Payload("1")),
        .subOrchestrationCompleted(taskID: EventID(5), result: nil),
        .subOrchestrationFailed(taskID: EventID(5), failure: failure),
        .continueAsNew(input: Payload("2")),
        .continueAsNew(input: nil),
        .patchRecorded(id: "p-1", isDeprecated: false),
        .patchRecorded(id: "p-2", isDeprecated: true),
        .updateRequested(UpdateRequest(id: UpdateID("u-1"), name: "addItem", input: Payload("1"))),
        .updateRequested(UpdateRequest(id: UpdateID("u-2"), name: "pay", input: nil)),
        .updateCompleted(id: UpdateID("u-1"), result: Payload("2"), failure: nil),
        .updateCompleted(id: UpdateID("u-2"), result: nil, failure: failure),
        .updateCompleted(id: UpdateID("u-3"), result: nil, failure: nil),
        .entityOperationSignaled(
            EntitySignal(requestID: "r/1", operation: "add", input: Payload("1"), target: InstanceID("@C@a"))),
        .entityOperationSignaled(EntitySignal(requestID: "r/1", operation: "add", input: nil)),
        .entityOperationCalled(
            EntityCall(
                requestID: "r/1", operation: "add", input: Payload("1"), target: InstanceID("@C@a"),
                parent: InstanceID("o"), parentExecution: ExecutionID("e"), section: "r/0")),
        .entityOperationCalled(EntityCall(requestID: "r/1", operation: "add", input: nil)),
        .entityOperationCompleted(requestID: "r/1", output: Payload("1")),
        .entityOperationCompleted(requestID: "r/1", output: nil),
        .entityOperationFailed(requestID: "r/1", failure: failure),
        .entityLockRequested(
            EntityLockRequest(
                section: "r/0", lockSet: [InstanceID("@C@a"), InstanceID("@C@b")], position: 1,
                parent: InstanceID("o"), parentExecution: ExecutionID("e"))),
        .entityLockRequested(EntityLockRequest(section: "r/0", lockSet: [InstanceID("@C@a")])),
        .entityLockGranted(section: "r/0"),
        .entityUnlockSent(EntityUnlock(section: "r/0", target: InstanceID("@C@a"))),
        .entityUnlockSent(
            EntityUnlock(section: "r/0", lockSet: [InstanceID("@C@a"), InstanceID("@C@b")], position: 1)),
        .executionRewound(reason: Payload("mended"), count: 2),
        .executionRewound(reason: nil, count: 0),
    ]

    static let outcomes: [UpdateOutcome] = [
        .completed(Payload("1")), .completed(nil), .failed(failure), .rejected(failure), .notBegun, .notFinished,
        .forgotten,
    ]

    static let endedUpdates = outcomes.enumerated().map { number, outcome in
        UpdateLedger.Ended(id: UpdateID("u-\(number)"), outcome: outcome)
    }

    static let events = kinds.enumerated().map { index, kind in
        HistoryEvent(eventID: index % 3 == 0 ? .none : EventID(Int32(index)), timestamp: time, kind: kind)
    }

    static let origin = Origin(partition: PartitionID(1023), incarnation: .max, sequence: 9)

    static let applied = AppliedThrough(destination: PartitionID(3), incarnation: .max, sequence: 77)

    static let message = Message(
        id: MessageID("m-1"), instanceID: InstanceID("o-1881"), executionID: ExecutionID("exec-1"), dispatch: 2,
        origin: origin, reply: ReplyAddress(routingKey: "key", correlationID: "c-1"), event: events[1])

    static let bareMessage = Message(id: MessageID("m-2"), instanceID: InstanceID("ö"), event: events[21])

    static let reusing = IDReuse.Running.allCases.flatMap { running in
        IDReuse.Ended.allCases.map { ended in
            var start = bareMessage
            start.idReuse = IDReuse(running: running, ended: ended)
            return start
        }
    }

    static let rewinding = {
        var start = bareMessage
        start.rewinds = true
        return start
    }()

    static let batches =
        [
            MessageBatch(messages: [message, bareMessage]), MessageBatch(messages: reusing + [rewinding]),
            MessageBatch(marker: epoch),
            MessageBatch(), MessageBatch(messages: [message], applied: applied), MessageBatch(applied: applied),
        ]
        + episodeAnswers.map { body in
            MessageBatch(
                answer: EpisodeAnswer(id: episodeID, author: EpisodeAuthor(build: "1.4", version: "2"), body: body))
        }

    static let task = TaskMessage(
        instanceID: InstanceID("o-1881"), executionID: ExecutionID("exec-1"), taskID: EventID(4), dispatch: 3,
        name: "Charge", input: Payload("{}"), traceParent: "00-01", isRedispatch: true)

    static let tasks = [
        task,
        TaskMessage(
            instanceID: InstanceID("a"), executionID: ExecutionID("e"), taskID: EventID(0), dispatch: 0, name: "A",
            input: nil),
    ]

    static let outbox = [
        OutboxEntry(id: OutboxID(1), epoch: epoch, body: .task(task)),
        OutboxEntry(id: OutboxID(.max), epoch: .zero, body: .message(message)),
    ]

    static let changes =
        [
            InstanceChange(
                instanceID: InstanceID("o-1881"), time: time, history: events, buffered: [events[0]],
                appliedMessages: [MessageID("m-1"), MessageID("m-2")],
                scheduledTasks: [.init(taskID: EventID(4), dispatch: 1, outboxID: OutboxID(12))],
                canceledTimers: [EventID(0), EventID(9)], canceledTasks: [EventID(2), EventID(7)],
                heartbeats: [.init(taskID: EventID(4), details: Payload("12"))], customStatus: .set(Payload("half")),
                hold: .set(Hold(code: "DTQ2003", text: "diverged")), compensatesTermination: .set(true)),
            InstanceChange(
                instanceID: InstanceID("b"), time: .distantPast, customStatus: .set(nil), hold: .set(nil),
                compensatesTermination: .set(false)),
            InstanceChange(instanceID: InstanceID("c"), time: .distantFuture),
            InstanceChange(
                instanceID: InstanceID("e"), time: time,
                buffered: [HistoryEvent(timestamp: time, kind: .executionStarted(start))],
                appliedMessages: [MessageID("m-9")], replaces: true),
        ]
        + [[EventID(4), EventID(7)], []].map { ids in
            var change = InstanceChange(instanceID: InstanceID("f"), time: time, history: [events[4]])
            change.atEnd = .init(open: ids, compensatesTermination: !ids.isEmpty)
            change.createdAt = time
            change.givenUp = InstanceState.GivenUp()
            change.givenUp?.lately = ids
            change.startDispatch = UInt32(ids.count)
            return change
        }

    static let records: [PartitionRecord] = [
        .begin(.init(epoch: epoch, worker: WorkerID("worker-b7"), time: time)),
        .checkpoint(
            Checkpoint(
                time: time, changes: changes, outbox: outbox, outboxRemoved: [OutboxID(3), OutboxID(5)],
                applied: [origin])),
        .checkpoint(Checkpoint(time: time)),
        .checkpoint(
            Checkpoint(
                time: time,
                changes: [
                    InstanceChange(
                        instanceID: InstanceID("d"), time: time,
                        history: [
                            HistoryEvent(
                                eventID: EventID(3), timestamp: time,
                                kind: .executionCompleted(
                                    status: .continuedAsNew, result: Payload("2"), failure: nil))
                        ],
                        buffered: [HistoryEvent(timestamp: time, kind: .executionStarted(start))])
                ])),
        .outboxConfirmed([OutboxID(1), OutboxID(300)]),
        .outboxConfirmed([]),
        .released(nextDue: time),
        .released(nextDue: nil),
        .attempt(.init(epoch: epoch, instanceID: InstanceID("a"), messageID: MessageID("m-1"), build: "b-1")),
        .attempt(.init(epoch: epoch, instanceID: InstanceID("a"), messageID: nil, build: "")),
        .delivered([applied, AppliedThrough(destination: PartitionID(0), incarnation: 1, sequence: 1)]),
        .delivered([]),
        .redriven,
        .purged(.init(time: time, ids: [InstanceID("a"), InstanceID("ö")], expiredBefore: time)),
        .purged(.init(time: time, ids: [])),
    ]

    static let evidence: [CrashEvidence] = [
        CrashEvidence(),
        CrashEvidence(
            isReleased: true,
            suspects: [
                .init(instanceID: InstanceID("a"), build: "b-1", epochs: [epoch, Epoch(generation: 1, offset: 99)]),
                .init(instanceID: InstanceID("b"), build: "", epochs: []),
            ]),
    ]

    static let states: [InstanceState] = {
        var full = InstanceState(start: start, startID: MessageID("m-1"), at: time)
        full.status = .suspended
        full.lastUpdatedAt = time + .seconds(5)
        full.customStatus = Payload("half")
        full.output = Payload()
        full.failure = failure
        for id in 0..<40 {
            full.openTasks[EventID(Int32(id))] = .init(dispatch: UInt32(id), outboxID: OutboxID(UInt64(id)))
            full.openTimers[EventID(Int32(100 + id))] = time + .seconds(id)
            full.openChildren[EventID(Int32(200 + id))] = InstanceID("child-\(id)")
        }
        full.openTasks[EventID(3)]?.details = Payload("12")
        full.compensatesTermination = true
        full.isTerminating = true
        full.atEnd = .init(open: [EventID(4), EventID(7)], compensatesTermination: true)
        full.givenUp.lately = [EventID(9)]
        full.givenUp.children = [EventID(3), EventID(8)]
        full.startDispatch = 2
        full.rewindCount = 3
        full.patches = ["p-2", "p-1", "ä"]
        full.historyCount = 77
        full.inbox = events
        full.appliedMessages = [MessageID("m-1"), MessageID("m-9")]
        full.hold = Hold(code: "DTQ2008", text: "ends workers", build: "1.4")
        full.author = EpisodeAuthor(build: "1.4", version: "2")
        full.updates = UpdateLedger(
            requested: [UpdateRequest(id: UpdateID("u-r"), name: "addItem", input: Payload("1"))],
            open: [UpdateID("u-o"), UpdateID("u-p")], ended: endedUpdates, rejected: Array(endedUpdates.prefix(2)))
        full.openEntityCalls = [EventID(9): InstanceID("@C@a")]
        full.openSections = [EventID(8): [InstanceID("@C@a"), InstanceID("@C@b")]]
        full.entity = EntityState(
            state: Payload("1"), lock: .init(section: "r/0", parent: InstanceID("o")),
            appliedAhead: [Origin(partition: PartitionID(1), incarnation: 2, sequence: 3)])
        let bare = InstanceState(
            start: ExecutionStarted(name: "A", instanceID: InstanceID("a"), executionID: ExecutionID("e")),
            startID: MessageID("m"), at: Timestamp(millisecondsSinceEpoch: -1))
        return [full, bare]
    }()

    static let heartbeats: [WorkerHeartbeat] = [.starting, .active, .draining, .stopped].map { state in
        WorkerHeartbeat(
            worker: WorkerID("host-1-ab"), state: state, time: time, startedAt: time, intervalMilliseconds: 5000,
            buildVersion: "0.1.0", runsOrchestrations: true, runsActivities: state == .active,
            orchestrations: ["A", "B"], activities: [.init(name: "Charge", inFlight: 3)], slots: 8,
            partitions: [
                .init(
                    partition: PartitionID(0), epoch: epoch, inFlight: 1, outbox: 2, heldInstances: 3, nextDue: time,
                    refused: 4, unflushed: 5),
                .init(
                    partition: PartitionID(5), epoch: epoch, inFlight: 0, outbox: 0, heldInstances: 0, nextDue: nil),
            ],
            isHello: state == .starting, episodeCount: 10, activityRunCount: 11,
            episodesPerSecond: state == .starting ? nil : 0.25, activityRunsPerSecond: state == .starting ? nil : 3,
            receipt: state == .stopped ? receipt : nil,
            standBy: state == .active ? [PartitionID(2), PartitionID(3)] : nil,
            codes: [OrchestrationCode(name: "A"), OrchestrationCode(name: "A", version: "2")],
            missingCode: [.init(code: OrchestrationCode(name: "B", version: "3"), instances: 4)])
    }

    private static let receipt: WorkerReceipt = {
        var receipt = WorkerReceipt()
        receipt.finishedActivities = 1
        receipt.canceledActivities = 2
        receipt.returnedDeliveries = 3
        receipt.releasedPartitions = 4
        receipt.duration = .milliseconds(5)
        return receipt
    }()

    static let drains: [DrainRequest] = [
        DrainRequest(workers: [], grace: nil),
        DrainRequest(workers: [WorkerID("w-1"), WorkerID("w-2")], grace: .milliseconds(1500)),
    ]

    static let journal: [JournalRecord] = [
        .claim(partition: PartitionID(0), worker: WorkerID("w"), nonce: "n"),
        .released(partition: PartitionID(3), epoch: epoch, nextDue: time),
        .released(partition: PartitionID(3), epoch: epoch, nextDue: nil),
    ]

    static let descriptors: [HubDescriptor] = [.quorum, .classic].compactMap { kind in
        HubName("orders").map {
            HubDescriptor(
                hubID: "6e8b1c9e", hub: $0, partitionCount: 1024, queueKind: kind,
                logMode: kind == .quorum ? .local : .replicated, dataDirectory: "/var/lib/dtq", formatVersion: 7,
                createdAt: time, retention: kind == .quorum ? .seconds(30 * 86_400) : nil)
        }
    }
}
