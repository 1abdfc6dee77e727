public import DurableCore

/// Why a test cannot go on, or what it found: its text is what a failing test shows.
///
/// An orchestration that fails on its own is no such error: its `FailureDetails` are thrown, as by a client.
public struct OrchestrationTestError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What the environment found. The list may grow with new versions.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        public let description: String

        /// Run again, the code asked for something other than its history holds (DTQ2003).
        public static let replayDiverged = Code(description: "DTQ2003")
        /// The code awaited something that is not durable (DTQ2001).
        public static let nonDurableAwait = Code(description: "DTQ2001")
        /// The context was used from outside the orchestration's own tasks (DTQ2002).
        public static let contextMisuse = Code(description: "DTQ2002")
        /// An activity is called that is neither registered nor mocked, or an orchestration that is not registered.
        public static let notRegistered = Code(description: "not registered")
        /// An instance has not ended, and nothing is due that could wake it.
        public static let stuck = Code(description: "stuck")
        /// More episodes than the environment allows: something goes round in circles.
        public static let episodeLimit = Code(description: "episode limit")
        /// The environment never had an instance of that ID.
        public static let instanceNotFound = Code(description: "instance not found")
        /// An instance of that ID was started before.
        public static let instanceExists = Code(description: "instance exists")
        /// The instance has ended: it takes no event any more.
        public static let instanceEnded = Code(description: "instance ended")
        /// The instance has not failed, or in a way that rewinding does not help with.
        public static let notRewindable = Code(description: "not rewindable")
        /// The code has no handler of that query (DTQ2015).
        public static let noHandler = Code(description: "DTQ2015")
        /// The handler of a query did more than to look (DTQ2016).
        public static let handlerMisuse = Code(description: "DTQ2016")
        /// Something runs the environment already: another task, or the code that is being run.
        public static let alreadyRunning = Code(description: "already running")
        /// A payload did not come through the codecs (DTQ2018), or has too many bytes (DTQ2007).
        public static let payloadUnusable = Code(description: "payload unusable")
        /// A fixture cannot be read, or is of another orchestration.
        public static let fixtureUnusable = Code(description: "fixture unusable")
    }

    /// What was found.
    public let code: Code
    /// The instance it is about, if it is about one.
    public let instanceID: InstanceID?
    public let description: String

    init(_ code: Code, _ instanceID: InstanceID? = nil, _ description: String) {
        self.code = code
        self.instanceID = instanceID
        self.description = description
    }

    /// - Parameter addition: Ends the explanation, such as `(as after a crash)`.
    init(_ failure: EpisodeFailure, _ instanceID: InstanceID, _ name: String, addition: String = "") {
        let code: Code =
            switch failure {
            case .nonDeterministic: .replayDiverged
            case .nonDurableAwait: .nonDurableAwait
            case .contextMisuse: .contextMisuse
            }
        let separator = addition.isEmpty ? "" : " "
        self.init(
            code, instanceID,
            "\(failure.code) instance \"\(instanceID)\" (\(name)): \(failure.explanation)\(separator)\(addition). "
                + "See ops/errors/\(failure.code).md")
    }
}
