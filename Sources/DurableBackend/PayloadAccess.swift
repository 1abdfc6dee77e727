package import DurableCore

/// What stands between payloads as code sees them and payloads as histories and messages hold them: codecs, and a store
/// for large ones.
package protocol PayloadAccess: Sendable {
    /// What histories and messages are to hold instead of `payload`. Does no I/O.
    ///
    /// - Parameter owner: The instance with which a stored payload is deleted.
    func seal(_ payload: Payload, for owner: PayloadOwner) throws(PayloadFault) -> SealedPayload

    /// As codecs make it, for what never goes to the store: questions and their answers, which are not kept, and what
    /// entities are given and keep. Does no I/O.
    func encode(_ payload: Payload) throws(PayloadFault) -> Payload

    /// Undoes what codecs did. Does no I/O.
    func open(_ payload: Payload) throws(PayloadFault) -> OpenedPayload

    /// Stores what a sealed payload refers to. To be done before anybody can see the reference; repeating it is harmless.
    func store(_ content: SealedPayload.Content) async throws(PayloadFault)

    /// Reads a stored payload, checks it against its reference, and opens it.
    func fetch(_ reference: StoredPayload) async throws(PayloadFault) -> Payload

    /// Whether some payloads may be in a store.
    var hasStore: Bool { get }

    /// Deletes stored payloads. Those that are not there any more are no error.
    func remove(_ scope: PayloadScope) async throws(PayloadFault)
}

/// A payload as histories hold it.
package struct SealedPayload: Hashable, Sendable {
    package var payload: Payload
    /// What must be stored first; nil: nothing.
    package var content: Content?

    package init(_ payload: Payload, content: Content? = nil) {
        self.payload = payload
        self.content = content
    }

    package struct Content: Hashable, Sendable {
        package var reference: StoredPayload
        package var bytes: [UInt8]

        package init(reference: StoredPayload, bytes: [UInt8]) {
            self.reference = reference
            self.bytes = bytes
        }
    }
}

package enum OpenedPayload: Hashable, Sendable {
    case payload(Payload)
    /// It must be fetched.
    case stored(StoredPayload)
}

/// Which stored payloads.
package enum PayloadScope: Hashable, Sendable {
    /// Those of one run of an instance ID, with all executions that continued it: its ID may be used again. What was sent
    /// by somebody who did not know the run stays.
    case run(InstanceID, ExecutionID)
    /// Of these those that were sent to the instance by somebody who did not know the run.
    case sent(InstanceID, [StoredPayload])
}

extension PayloadAccess {
    /// Opens a payload, from the store too.
    package func openFully(_ payload: Payload?) async throws(PayloadFault) -> Payload? {
        guard let payload else { return nil }
        switch try open(payload) {
        case .payload(let opened): return opened
        case .stored(let reference): return try await fetch(reference)
        }
    }

    /// Seals a payload, and stores what is to be stored.
    package func sealFully(_ payload: Payload?, for owner: PayloadOwner) async throws(PayloadFault) -> Payload? {
        guard let payload else { return nil }
        let sealed = try seal(payload, for: owner)
        if let content = sealed.content { try await store(content) }
        return sealed.payload
    }
}

/// Payloads as they are, for workers and clients that have neither codecs nor a store.
package struct PlainPayloads: PayloadAccess {
    package init() {}

    package func seal(_ payload: Payload, for owner: PayloadOwner) -> SealedPayload { SealedPayload(payload) }

    package func encode(_ payload: Payload) -> Payload { payload }

    package func open(_ payload: Payload) throws(PayloadFault) -> OpenedPayload {
        guard payload.isInEnvelope else { return .payload(payload) }
        let envelope: PayloadEnvelope?
        do {
            envelope = try PayloadEnvelope.read(payload)
        } catch {
            throw PayloadFault(.unreadable, "DTQ2018", "its header cannot be read: \(error)", remedy: Self.remedy)
        }
        guard let envelope, envelope.layer != .value else { return .payload(payload) }
        throw PayloadFault(
            .unavailable, envelope.layer == .reference ? "DTQ2019" : "DTQ2018",
            envelope.layer == .reference
                ? "it is in a payload store, and this process has none"
                : "it is \(envelope.madeBy), and this process has no codecs",
            remedy: Self.remedy)
    }

    package func store(_ content: SealedPayload.Content) {}

    package func fetch(_ reference: StoredPayload) throws(PayloadFault) -> Payload {
        throw PayloadFault(
            .unavailable, "DTQ2019", "it is in a payload store, and this process has none", remedy: Self.remedy)
    }

    package var hasStore: Bool { false }

    package func remove(_ scope: PayloadScope) {}

    private static let remedy = "Start workers with the payload options of those that wrote it"
}
