import DurableCore

/// Questions to owners, and their answers.
extension Samples {
    static let queries: [Question] = [
        .status(InstanceID("a")),
        .history(InstanceID("a"), after: -1, limit: 100),
        .list(
            ListFilter(
                statuses: [.running, .suspended], name: "A", idPrefix: "o-", createdFrom: time,
                createdTo: .distantFuture),
            after: ListCursor(createdAt: time, id: InstanceID("a")), limit: 20),
        .list(ListFilter(), after: nil, limit: 0),
        .list(
            ListFilter(tags: [TagFilter(key: "region", value: ""), TagFilter(key: "urgent")], parent: InstanceID("p")),
            after: nil, limit: 1),
        .count(ListFilter(name: "A")),
        .count(ListFilter(tags: [TagFilter(key: "region", value: "eu")])),
        .purge([InstanceID("a"), InstanceID("b")]),
        .wait(InstanceID("a")),
        .counts,
        .redrive,
        .release(InstanceID("a")),
        .attempt(episodeID, build: "1.4"),
        .heartbeat([.init(task: task.key, details: Payload("3")), .init(task: task.key, details: nil)]),
        .handler(InstanceID("a"), name: "progress", input: Payload("1")),
        .handler(InstanceID("a"), name: "progress", input: nil),
        .update(InstanceID("a"), UpdateID("u-1")),
    ]

    static let snapshots: [InstanceSnapshot] = states.map { InstanceSnapshot($0, input: Payload("{}")) }

    static let answers: [QueryAnswer] =
        [
            .status(snapshots[0]),
            .history(events, of: ExecutionID("e~2"), isComplete: true),
            .history([], of: nil, isComplete: false),
            .list(snapshots, isComplete: false),
            .counts([.init(status: .running, count: 3), .init(status: .failed, count: 0)]),
            .counts([]),
            .redriven(Redriven(tasks: 1, messages: 2, timers: 3)),
            .redriven(Redriven(tasks: 0, messages: 0, timers: 0)),
            .tasks([.init(task: task.key, details: Payload("3")), .init(task: task.key, details: nil)]),
            .released(nil),
            .released(Hold(code: "DTQ2008", text: "ends workers", build: "1.4")),
            .mayRun(true),
            .mayRun(false),
            .purged(.init(instances: 2, events: 17, running: [InstanceID("a")], missing: [InstanceID("b")])),
            .purged(.init()),
            .notFound,
            .failed("the store is full"),
            .value(Payload("1")),
            .value(nil),
            .handlerFailed(failure),
            .unknownUpdate(.running),
        ] + outcomes.map(QueryAnswer.update)

    static let replies: [Reply] = {
        let verdicts: [Verdict] = [.created, .exists, .joined, .accepted, .duplicate, .notFound, .ended, .unexpected]
        return (verdicts.map(Reply.Body.verdict) + answers.map(Reply.Body.answer)).map {
            Reply(correlationID: "c-1", partition: PartitionID(7), epoch: epoch, body: $0)
        }
    }()
}
