package import DurableBackend
package import DurableCore

extension HubClient {
    /// What a message is to hold instead of `payload`, stored where it is large.
    ///
    /// - Throws: `ClientError` when it is too large, cannot be encoded or not be stored; nothing was sent.
    func sealed(_ payload: Payload?, for owner: PayloadOwner, _ what: String) async throws -> Payload? {
        let sealed: Payload?
        do {
            sealed = try await payloads.sealFully(payload, for: owner)
        } catch {
            throw ClientError(
                .init(error.code), "\(what) cannot be written: \(error.reason). Nothing was sent. \(error.remedy).",
                cause: error)
        }
        try check(sealed, what)
        return sealed
    }

    /// What is asked and not kept, as codecs make it.
    ///
    /// - Throws: `ClientError` when it cannot be encoded or is too large.
    func encoded(_ payload: Payload?, _ what: String) throws -> Payload? {
        let encoded: Payload?
        do {
            encoded = try payload.map { payload throws(PayloadFault) in try payloads.encode(payload) }
        } catch {
            throw ClientError(
                .init(error.code), "\(what) cannot be sent: \(error.reason). \(error.remedy).", cause: error)
        }
        try check(encoded, what)
        return encoded
    }

    /// Opens a payload that was read.
    ///
    /// - Throws: `ClientError` DTQ2018 or DTQ2019.
    package func opened(_ payload: Payload?, _ what: String) async throws -> Payload? {
        do {
            return try await payloads.openFully(payload)
        } catch {
            throw ClientError(
                .init(error.code), "\(what) cannot be read: \(error.reason). \(error.remedy).", cause: error)
        }
    }

    /// The snapshot with its payloads opened; those that cannot be opened stay as they are.
    package func opened(_ snapshot: InstanceSnapshot) async -> InstanceSnapshot {
        var snapshot = snapshot
        snapshot.input = await openedIfPossible(snapshot.input)
        snapshot.output = await openedIfPossible(snapshot.output)
        snapshot.customStatus = await openedIfPossible(snapshot.customStatus)
        let entityState = await openedIfPossible(snapshot.entity?.state)
        snapshot.entity?.state = entityState
        return snapshot
    }

    /// The events with their payloads opened; those that cannot be opened stay as they are.
    package func opened(_ events: [HistoryEvent]) async -> [HistoryEvent] {
        var events = events
        for index in events.indices where events[index].payload?.isInEnvelope == true {
            events[index].payload = await openedIfPossible(events[index].payload)
        }
        return events
    }

    /// The history as code is given it when it is replayed.
    ///
    /// - Returns: nil when there is no such instance.
    /// - Throws: `ClientError` DTQ2018 or DTQ2019 when a payload cannot be opened.
    package func historyForCode(of id: InstanceID) async throws -> [HistoryEvent]? {
        guard var events = try await history(of: id) else { return nil }
        for index in events.indices where events[index].handsPayloadToCode {
            events[index].payload = try await opened(
                events[index].payload, "a payload of event \(index) of instance \(id)")
        }
        return events
    }

    private func openedIfPossible(_ payload: Payload?) async -> Payload? {
        guard payload?.isInEnvelope == true, let opened = try? await payloads.openFully(payload) else { return payload }
        return opened
    }
}
