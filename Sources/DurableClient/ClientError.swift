package import DurableBackend

/// Why something a client asked for was not done, in words an operator can act on.
///
/// The text names identifiers, sizes and positions, never payloads or credentials.
public struct ClientError: Error, Sendable, CustomStringConvertible {
    /// Number of an error, such as `DTQ1001`: each has a page in `ops/errors`. The list grows with new versions.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// `DTQ` and four digits.
        public let value: String
        package init(_ value: String) { self.value = value }
        public var description: String { value }

        /// No hub of that name is on the broker.
        public static let hubNotFound = Code("DTQ1001")
        /// The hub is there but not as asked for, or written by a newer version.
        public static let hubDoesNotFit = Code("DTQ1002")
        /// A partition file is not where it should be. It is never taken for empty.
        public static let storeMissing = Code("DTQ1003")
        /// A partition file belongs to another hub or partition; it was left as it is.
        public static let storeForeign = Code("DTQ1004")
        /// A partition file cannot be read; it was left as it is.
        public static let storeDamaged = Code("DTQ1005")
        /// The disk is full; nothing was written.
        public static let diskFull = Code("DTQ1006")
        /// A newer owner has the partition; nothing was written.
        public static let fenced = Code("DTQ1007")
        /// A partition file cannot be used at present: directory, permissions, locks.
        public static let storeUnavailable = Code("DTQ1008")
        /// A backup cannot be read: another kind of file, cut off, damaged, or of a newer version.
        public static let backupUnusable = Code("DTQ1009")
        /// An input cannot be encoded, or an output cannot be decoded.
        public static let payloadUnreadable = Code("DTQ2004")
        /// A payload is over the limit; nothing was sent.
        public static let payloadTooLarge = Code("DTQ2007")
        /// The code of the instance has no handler of that name, or the instance has not begun.
        public static let noHandler = Code("DTQ2015")
        /// The handler of a query did more than to look.
        public static let handlerMisuse = Code("DTQ2016")
        /// Entities are no orchestrations: they take operations alone.
        public static let isEntity = Code("DTQ2026")
        /// An instance has not ended, as it must have for what was asked.
        public static let instanceNotEnded = Code("DTQ2013")
        /// A payload cannot be encoded or opened: its key or codec is not here, or its bytes were changed.
        public static let payloadSealed = Code("DTQ2018")
        /// The payload store cannot be reached, or has not what was stored.
        public static let payloadStoreUnavailable = Code("DTQ2019")
        /// What came back cannot be read.
        public static let messageUndecodable = Code("DTQ3001")
        /// No connection to the broker came about; nothing was sent.
        public static let brokerUnreachable = Code("DTQ4001")
        /// The broker refused the login or the virtual host; nothing was sent.
        public static let accessRefused = Code("DTQ4002")
        /// The broker refused a request: a queue or exchange is there with other properties.
        public static let topologyDiffers = Code("DTQ4003")
        /// The broker takes no messages at present.
        public static let brokerBlocked = Code("DTQ4004")
        /// The connection ended: whether the broker took the request is unknown. Ask, then try again.
        public static let connectionLost = Code("DTQ4005")
        /// No worker serves the partition, or none answers. What was sent is kept in its queue.
        public static let noWorker = Code("DTQ5001")
        /// The hub has no instance of that ID.
        public static let instanceNotFound = Code("DTQ5002")
        /// An ID, a name or an option cannot be used; nothing was sent.
        public static let wrongArgument = Code("DTQ5003")
    }

    /// Which of the known problems it is; decide by it, not by the text.
    public let code: Code
    /// What failed, why, what was done about it, what to do; without the code.
    public let text: String
    /// What lies beneath, where there is something.
    public let cause: (any Error)?

    package init(_ code: Code, _ text: String, cause: (any Error)? = nil) {
        self.code = code
        self.text = Redaction.apply(to: text)
        self.cause = cause
    }

    /// One line: the code, the text, and the page that says more.
    public var description: String { "\(code) \(text) See ops/errors/\(code).md" }
}

extension ClientError {
    /// Says for `subject` ("cannot publish to hub ...") what went wrong on the way to the broker. Cancellation stays
    /// what it is.
    package static func wrapping(_ error: TransportError, _ subject: String) -> any Error {
        switch error {
        case .unreachable(let text):
            ClientError(
                .brokerUnreachable,
                "\(subject): the broker cannot be reached (\(text)). Nothing was sent. "
                    + "Check --broker (DTQ_BROKER) and that the broker runs.",
                cause: error)
        case .accessRefused(let text):
            ClientError(
                .accessRefused,
                "\(subject): the broker refused the login or the virtual host (\(text)). Nothing was sent. "
                    + "Check user, password and virtual host in --broker (DTQ_BROKER).",
                cause: error)
        case .connectionLost(let text):
            ClientError(
                .connectionLost,
                "\(subject): the connection ended and did not come back in time (\(text)). "
                    + "Whether the broker took the request is unknown. Ask for the status, then try again.",
                cause: error)
        case .notFound(let text):
            ClientError(
                .hubDoesNotFit,
                "\(subject): a queue or exchange of the hub is missing (\(text)). "
                    + "See the differences with dtq hub verify; dtq hub create declares what is missing.",
                cause: error)
        case .refused(let code, let text):
            ClientError(
                .topologyDiffers,
                "\(subject): the broker refused it with code \(code) (\(text)). "
                    + "See the differences with dtq hub verify.",
                cause: error)
        case .closed:
            ClientError(.connectionLost, "\(subject): this client was closed. Nothing was sent.", cause: error)
        case .cancelled:
            CancellationError()
        }
    }

    /// - Parameter subject: What was being done, such as "cannot create hub ...".
    package static func wrapping(_ error: StoreError, _ subject: String) -> ClientError {
        switch error {
        case .missing(let text):
            ClientError(.storeMissing, "\(subject): a store file is missing (\(text)).", cause: error)
        case .foreign(let text):
            ClientError(
                .storeForeign,
                "\(subject): a store file is not this hub's (\(text)). It was left as it is. "
                    + "Name another directory with --data, or move the files away.",
                cause: error)
        case .damaged(let text):
            ClientError(
                .storeDamaged,
                "\(subject): a store file is damaged (\(text)). It was left as it is. Restore it from a backup.",
                cause: error)
        case .full(let text):
            ClientError(.diskFull, "\(subject): the disk is full (\(text)). Make room, then try again.", cause: error)
        case .fenced(let newest):
            ClientError(.fenced, "\(subject): epoch \(newest) owns the store. Nothing was written.", cause: error)
        case .outOfStep(let actual):
            ClientError(
                .storeUnavailable, "\(subject): the store stands at position \(actual). Try again.", cause: error)
        case .unavailable(let text):
            ClientError(
                .storeUnavailable,
                "\(subject): the store cannot be used (\(text)). Check the directory and its permissions.",
                cause: error)
        }
    }
}
