import DurableCore

/// A workload while it is drawn: what programs use to plan their instances.
struct WorkloadDraft {
    var generator: SeededGenerator
    let partitionCount: Int
    private(set) var instances: [PlannedInstance] = []
    private(set) var operations: [PlannedOperation] = []
    /// Nobody depends on these (indices): they may start later or be terminated.
    private(set) var independent: [Int] = []
    private var group = 0

    /// Over which time instances are started.
    private let startWindow: Duration
    /// All instances on one partition, for runs in which nothing can be shared out.
    private let hotPartition: PartitionID?
    /// How often messages are published more than once.
    private let repeatChance: Double
    /// Typical length of an activity, in milliseconds.
    private let workMilliseconds: ClosedRange<Int>
    private var messageCount = 0

    init(generator: SeededGenerator, partitionCount: Int) {
        self.generator = generator
        self.partitionCount = partitionCount
        startWindow = [.zero, .seconds(1), .seconds(4), .seconds(12)].randomElement(using: &self.generator) ?? .zero
        hotPartition =
            self.generator.chance(0.1)
            ? PartitionID(Int.random(in: 0..<partitionCount, using: &self.generator)) : nil
        repeatChance = [0, 0.2, 0.6].randomElement(using: &self.generator) ?? 0
        workMilliseconds = [0...20, 0...500, 200...3000].randomElement(using: &self.generator) ?? 0...20
    }

    // MARK: - Values

    mutating func int(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
    mutating func chance(_ probability: Double) -> Bool { generator.chance(probability) }
    mutating func duration(_ range: ClosedRange<Duration>) -> Duration {
        // Whole milliseconds, as time stamps have them.
        .milliseconds(Int(generator.duration(range) / .milliseconds(1)))
    }
    /// Length of an activity, in milliseconds.
    mutating func work() -> Int { int(workMilliseconds) }

    // MARK: - Instances

    /// What is added from now on can be left out without the rest.
    mutating func beginGroup() { group += 1 }

    enum Place {
        case anywhere
        case same(as: InstanceID)
        case other(than: InstanceID)
    }

    /// A new ID in the partition that `place` asks for, as far as the hub has one.
    mutating func newID(_ stem: String, _ place: Place = .anywhere) -> InstanceID {
        var partition = int(0...partitionCount - 1)
        switch place {
        case .anywhere: partition = hotPartition?.index ?? partition
        case .same(let other): partition = other.partition(of: partitionCount).index
        case .other(let other):
            let taken = other.partition(of: partitionCount).index
            if partition == taken { partition = (partition + 1) % partitionCount }
        }
        let base = "\(stem)-\(instances.count)"
        for suffix in 0..<(32 * partitionCount) {
            let id = InstanceID(suffix == 0 ? base : "\(base).\(suffix)")
            // Peers get their IDs before any of them is added.
            if id.partition(of: partitionCount).index == partition, !given.contains(id.value) {
                given.append(id.value)
                return id
            }
        }
        preconditionFailure("a hash that is any good meets each partition")
    }
    private var given: [String] = []

    /// Adds an instance and its start.
    ///
    /// - Parameters:
    ///   - isIndependent: Others do without it; it may start later and be terminated.
    ///   - outcomes: What it comes to when left alone.
    /// - Returns: Its index, and when its start is published.
    @discardableResult
    mutating func add(
        _ program: String, orchestration: String? = nil, id: InstanceID? = nil, input: Payload? = nil,
        isIndependent: Bool = true, outcomes: [Expectation.Outcome]
    ) -> (index: Int, at: Duration) {
        let id = id ?? newID(program.lowercased())
        let index = instances.count
        var instance = PlannedInstance(
            id: id, program: program, group: group, name: orchestration ?? program, input: input,
            expectation: Expectation(outcomes))
        if chance(0.1) { instance.version = "\(int(1...3))" }
        if isIndependent {
            independent.append(index)
            if chance(0.08) { instance.startDelay = duration(.zero ... .seconds(12)) }
        }
        instances.append(instance)
        let at = duration(.zero...startWindow)
        perform(.start(instance: index, publication(instance.startID, mustArrive: true)), at: at)
        return (index, at)
    }

    /// Adds an instance that another one starts.
    mutating func addChild(
        _ program: String, orchestration: String, id: InstanceID, of parent: PlannedInstance, event: Int,
        input: Payload?, outcomes: [Expectation.Outcome]
    ) -> PlannedInstance {
        var instance = PlannedInstance(
            id: id, program: program, group: group, name: orchestration, input: input,
            expectation: Expectation(outcomes))
        instance.parent = parent.id
        instance.startID = MessageID("\(parent.startID)/\(event)")
        instances.append(instance)
        return instance
    }

    /// Adds an instance that a schedule starts: which of its steps does is not planned.
    mutating func addRun(
        _ program: String, orchestration: String, id: InstanceID, of schedule: PlannedInstance, isDetached: Bool,
        input: Payload?, outcomes: [Expectation.Outcome]
    ) {
        _ = addChild(
            program, orchestration: orchestration, id: id, of: schedule, event: 0, input: input, outcomes: outcomes)
        instances[instances.count - 1].isDetached = isDetached
        instances[instances.count - 1].isStartPlanned = false
    }

    /// Says how an instance may end, where that was not known when it was added.
    mutating func permit(_ outcomes: [Expectation.Outcome], of index: Int) {
        instances[index].expectation.permitted = outcomes
    }

    /// An ID nobody starts.
    mutating func addAbsent(_ stem: String = "nobody") -> InstanceID {
        let id = newID(stem)
        instances.append(
            PlannedInstance(id: id, program: "none", group: group, name: "none", expectation: Expectation([.absent])))
        return id
    }

    // MARK: - Operations

    mutating func perform(_ kind: PlannedOperation.Kind, at time: Duration) {
        operations.append(PlannedOperation(at: time, kind: kind))
    }

    /// Raises an event with data that no other event has.
    ///
    /// - Parameter mustArrive: The instance waits for it without end.
    /// - Returns: The data.
    @discardableResult
    mutating func raise(
        _ name: String, to id: InstanceID, value: Int = 0, bytes: Int = 0, at time: Duration, mustArrive: Bool = true
    ) -> Note {
        let publication = publication(newMessageID(id, "raise"), mustArrive: mustArrive)
        let note = Note(label: publication.messageID.value, value: value, filler: filler(bytes))
        perform(.raise(to: id, name: name, input: json(note), publication), at: time)
        return note
    }

    /// Ends an instance from outside; it may be over by then.
    mutating func terminate(_ index: Int, at time: Duration) {
        let id = instances[index].id
        let publication = publication(newMessageID(id, "terminate"), mustArrive: true)
        let reason = json("stopped by \(publication.messageID)")
        instances[index].expectation.permitted.append(.terminated(reason: reason))
        perform(.terminate(id, reason: reason, publication), at: time)
    }

    /// Asks an instance to end; it may be over by then.
    mutating func cancel(_ index: Int, at time: Duration) {
        let id = instances[index].id
        let publication = publication(newMessageID(id, "cancel"), mustArrive: true)
        let reason = json("called off by \(publication.messageID)")
        instances[index].expectation.permitted.append(.canceled(reason: reason))
        perform(.cancel(id, reason: reason, publication), at: time)
    }

    /// Sends an operation to an entity.
    mutating func signal(_ entity: InstanceID, adding amount: Int, at time: Duration) {
        perform(
            .signal(entity, adding: amount, publication(newMessageID(entity, "signal"), mustArrive: true)), at: time)
    }

    /// Suspends an instance for a while.
    /// - Parameter isRepeated: Copies may come late. What has ended keeps no note of them, and would be suspended by one
    ///   once it is rewound.
    mutating func pause(_ index: Int, at time: Duration, for duration: Duration, isRepeated: Bool = true) {
        let id = instances[index].id
        var suspension = publication(newMessageID(id, "suspend"), mustArrive: true)
        if !isRepeated { suspension.repeats = [] }
        let resumption = publication(newMessageID(id, "resume"), mustArrive: true)
        perform(.pause(id, for: duration, suspension, resumption: resumption), at: time)
    }

    /// Asks for a failed instance to go on; it may not have failed.
    mutating func rewind(_ id: InstanceID, at time: Duration) {
        var publication = publication(newMessageID(id, "rewind"))
        // A copy of one that came too early may come in time.
        if publication.repeats.isEmpty, chance(0.5) { publication.repeats = [duration(.zero ... .seconds(8))] }
        perform(.rewind(id, publication), at: time)
    }

    mutating func startAgain(_ index: Int, at time: Duration) {
        perform(
            .startAgain(instance: index, publication(newMessageID(instances[index].id, "start-again"))), at: time)
    }

    /// When an instance is started.
    func startTime(of index: Int) -> Duration {
        for operation in operations {
            if case .start(index, _) = operation.kind { return operation.at }
        }
        return .zero
    }

    mutating func newMessageID(_ id: InstanceID, _ what: String) -> MessageID {
        messageCount += 1
        return MessageID("\(id).\(what)-\(messageCount)")
    }

    mutating func publication(
        _ id: MessageID, mustArrive: Bool = false
    ) -> PlannedOperation.Publication {
        var repeats: [Duration] = []
        if chance(repeatChance) {
            for _ in 0..<int(1...2) { repeats.append(chance(0.5) ? .zero : duration(.zero ... .seconds(8))) }
        }
        return PlannedOperation.Publication(messageID: id, repeats: repeats.sorted(), mustArrive: mustArrive)
    }
}

/// The data of every event: no two events of a run have the same.
struct Note: Codable, Hashable, Sendable {
    /// A client's message ID, or what an instance gave it.
    var label: String
    var value = 0
    var filler = ""
}
