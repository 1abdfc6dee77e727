import DurableCore

/// Episodes that are shipped, and what comes back.
extension Samples {
    /// The starts of episodes, each by other code than the one before.
    static let authored = [EpisodeAuthor(build: "1.4"), EpisodeAuthor(build: "", version: "2")].map { author in
        var event = HistoryEvent(timestamp: time, kind: .orchestratorStarted)
        event.author = author
        return event
    }

    static let episodes = [
        EpisodeRequest(
            partition: PartitionID(7), epoch: epoch, number: .max, instanceID: InstanceID("o-1881"),
            executionID: ExecutionID("e~2"), name: "Order", version: "2",
            code: OrchestrationCode(name: "Order", version: "2"), patches: ["p-1", "p-2"], historyCount: events.count,
            history: events, newEvents: authored + events),
        EpisodeRequest(
            partition: PartitionID(0), epoch: .zero, number: 1, instanceID: InstanceID("a"),
            executionID: ExecutionID("e"), name: "A", version: nil, code: OrchestrationCode(name: "A"), patches: [],
            historyCount: 10_000, history: [],
            newEvents: [HistoryEvent(timestamp: time, kind: .orchestratorStarted)],
            updates: [
                UpdateRequest(id: UpdateID("u-1"), name: "addItem", input: Payload("1")),
                UpdateRequest(id: UpdateID("u-2"), name: "addItem", input: nil),
            ]),
    ]

    static let actions: [OrchestratorAction] = [
        .scheduleTask(id: EventID(0), name: "Charge", input: Payload("{}")),
        .scheduleTask(id: EventID(1), name: "Charge", input: nil),
        .createTimer(id: EventID(2), fireAt: time),
        .cancelTimer(id: EventID(2)),
        .sendEvent(id: EventID(3), instanceID: InstanceID("b"), name: "e", input: Payload()),
        .createSubOrchestration(
            id: EventID(4),
            ChildStart(
                instanceID: InstanceID("c"), name: "Child", version: "2", input: Payload("1"), isDetached: true,
                tags: [.init(key: "k", value: "v")])),
        .createSubOrchestration(id: EventID(5), ChildStart(instanceID: InstanceID("d"), name: "Child")),
        .recordPatch(id: "p-1", isDeprecated: true),
        .setCustomStatus(Payload("half")),
        .setCustomStatus(nil),
        .continueAsNew(
            id: EventID(6), input: Payload("2"), version: "3",
            carriedOver: [RaisedEvent(name: "e", input: nil), RaisedEvent(name: "e", input: Payload("1"))]),
        .completeOrchestration(id: EventID(7), status: .completed, result: Payload("1"), failure: nil),
        .completeOrchestration(id: .none, status: .failed, result: nil, failure: failure),
        .completeOrchestration(id: EventID(7), status: .failed, result: nil, failure: failure),
        .completeOrchestration(id: EventID(7), status: .canceled, result: nil, failure: failure),
        .completeOrchestration(id: EventID(7), status: .terminated, result: nil, failure: nil),
        .cancelTask(id: EventID(0)),
        .cancelChild(id: EventID(4)),
        .setCompensatesTermination(true),
        .setCompensatesTermination(false),
        .passOn(.cancellationRequested(reason: Payload("\"late\""))),
        .passOn(.executionTerminated(reason: nil, recurse: true)),
        .completeUpdate(id: UpdateID("u-1"), result: Payload("1"), failure: nil),
        .completeUpdate(id: UpdateID("u-2"), result: nil, failure: failure),
    ]

    static let episodeResults = [
        EpisodeResult(
            actions: actions, admittedUpdate: UpdateID("u-1"),
            rejectedUpdates: [.init(id: UpdateID("u-0"), reason: failure)]),
        EpisodeResult(
            actions: [], rejectedUpdates: [.init(id: UpdateID("u-0"), reason: failure)], isPartial: true),
    ]

    static let episodeID = EpisodeID(instanceID: InstanceID("o-1881"), epoch: epoch, number: 9)

    static let episodeAnswers: [EpisodeAnswer.Body] = [
        .actions(.init(number: 2, count: 3, content: [0, 1, 255])), .actions(.init(number: 1, count: 1, content: [])),
        .failure(.nonDeterministic(position: 7, historyHolds: "a", codeAsked: "b")),
        .failure(.nonDurableAwait("slept")), .failure(.contextMisuse("")),
        .payloadFault(PayloadFault(.unavailable, "DTQ2019", "it is gone", remedy: "Bring it back")),
        .payloadFault(PayloadFault(.unreadable, "DTQ2018", "", remedy: "")),
        .payloadFault(PayloadFault(.tooLarge, "DTQ2007", "", remedy: "")),
    ]
}
