/// One episode for a worker that has the code, by an owner that lacks it. The body of one delivery on an episode queue.
package struct EpisodeRequest: Hashable, Sendable {
    package var partition: PartitionID
    /// Fences the answer, with `number`: it counts only while this owner waits for this very episode.
    package var epoch: Epoch
    /// Counts what the owner has shipped in this epoch, from 1.
    package var number: UInt64
    package var instanceID: InstanceID
    package var executionID: ExecutionID
    package var name: String
    /// Of the instance.
    package var version: String?
    /// The registration that is to run it; its version is nil or the instance's.
    package var code: OrchestrationCode
    /// Those that the history has recorded.
    package var patches: [String]
    /// Events of the history.
    package var historyCount: Int
    /// All of the history, or nothing where it is too long for a message: then the owner is asked for it, page by page.
    package var history: [HistoryEvent]
    /// `orchestratorStarted`, then what arrived.
    package var newEvents: [HistoryEvent]
    /// Where nothing arrived: it is to begin with the first of these, in order, that the code lets in, if any.
    package var updates: [UpdateRequest]

    package init(
        partition: PartitionID, epoch: Epoch, number: UInt64, instanceID: InstanceID, executionID: ExecutionID,
        name: String, version: String?, code: OrchestrationCode, patches: [String], historyCount: Int,
        history: [HistoryEvent], newEvents: [HistoryEvent], updates: [UpdateRequest] = []
    ) {
        self.partition = partition
        self.epoch = epoch
        self.number = number
        self.instanceID = instanceID
        self.executionID = executionID
        self.name = name
        self.version = version
        self.code = code
        self.patches = patches
        self.historyCount = historyCount
        self.history = history
        self.newEvents = newEvents
        self.updates = updates
    }

    package var id: EpisodeID { EpisodeID(instanceID: instanceID, epoch: epoch, number: number) }
}

/// What the code made of a shipped episode.
package struct EpisodeResult: Hashable, Sendable {
    /// In order of request.
    package var actions: [OrchestratorAction]
    /// Of those it was asked about, the one that it let in: it began in the episode.
    package var admittedUpdate: UpdateID?
    package var rejectedUpdates: [Rejection]
    /// It was not asked about all: its validator did what it must not, and the rest is to be asked about anew.
    package var isPartial: Bool

    package init(
        actions: [OrchestratorAction], admittedUpdate: UpdateID? = nil, rejectedUpdates: [Rejection] = [],
        isPartial: Bool = false
    ) {
        self.actions = actions
        self.admittedUpdate = admittedUpdate
        self.rejectedUpdates = rejectedUpdates
        self.isPartial = isPartial
    }

    package struct Rejection: Hashable, Sendable {
        package var id: UpdateID
        package var reason: FailureDetails

        package init(id: UpdateID, reason: FailureDetails) {
            self.id = id
            self.reason = reason
        }
    }
}

/// One shipping of one episode.
package struct EpisodeID: Hashable, Sendable {
    package var instanceID: InstanceID
    package var epoch: Epoch
    package var number: UInt64

    package init(instanceID: InstanceID, epoch: Epoch, number: UInt64) {
        self.instanceID = instanceID
        self.epoch = epoch
        self.number = number
    }
}

/// What became of a shipped episode, or a part of that: to the owner's control queue.
package struct EpisodeAnswer: Hashable, Sendable {
    package var id: EpisodeID
    package var author: EpisodeAuthor
    package var body: Body

    package init(id: EpisodeID, author: EpisodeAuthor, body: Body) {
        self.id = id
        self.author = author
        self.body = body
    }

    package enum Body: Hashable, Sendable {
        case actions(Part)
        /// The instance is to be held, as if its owner had run the code.
        case failure(EpisodeFailure)
        /// A payload that the code is to be given could not be opened there, or one that it asked for not be stored.
        case payloadFault(PayloadFault)
    }

    /// Of the encoded actions, in order of request, which may be more than one message can hold.
    package struct Part: Hashable, Sendable {
        /// 1 to `count`.
        package var number: Int
        package var count: Int
        package var content: [UInt8]

        package init(number: Int, count: Int, content: [UInt8]) {
            self.number = number
            self.count = count
            self.content = content
        }
    }
}
