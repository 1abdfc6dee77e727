import DurableBackend
import DurableCore
import DurableEngine

/// Payloads of shipped episodes, between how histories hold them and how code sees them. They cross as histories hold
/// them, both ways: the owner need not be able to open them. What is stored may be waited for: this is no partition's
/// thread.
extension EpisodeHost {
    /// Replays a page of recorded history.
    func replay(_ page: [HistoryEvent], in session: any OrchestrationSession) async throws {
        var rest = page[...]
        while !rest.isEmpty {
            let count = try countOfChunk(rest)
            try session.replay(try await opened(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
    }

    /// How many of the first events have stored payloads of one chunk.
    private func countOfChunk(_ events: ArraySlice<HistoryEvent>) throws(PayloadFault) -> Int {
        var chunk = PayloadChunk()
        for (offset, event) in events.enumerated() {
            if case .stored(let reference)? = try parts.payloads.opened(event), !chunk.add(reference) { return offset }
        }
        return events.count
    }

    /// Events as code is given them.
    func opened(_ events: some Collection<HistoryEvent>) async throws(PayloadFault) -> [HistoryEvent] {
        var events = Array(events)
        var stored: [(index: Int, reference: StoredPayload)] = []
        for index in events.indices {
            switch try parts.payloads.opened(events[index]) {
            case nil: break
            case .payload(let payload): events[index].give(payload)
            case .stored(let reference): stored.append((index, reference))
            }
        }
        if stored.isEmpty { return events }
        let fetched = try await storePatience.result {
            [payloads = parts.payloads, references = stored.map(\.reference)]
            () async throws(PayloadFault) in
            try await payloads.fetch(references)
        }
        for (index, reference) in stored {
            if let payload = fetched[reference] { events[index].give(payload) }
        }
        return events
    }

    /// The update as code is given it; where it cannot be opened at all, why it is refused.
    func opened(_ update: UpdateRequest) async throws(PayloadFault) -> Result<UpdateRequest, FailureDetails> {
        switch parts.payloads.opened(update) {
        case .update(let opened): return .success(opened)
        case .refused(let reason): return .failure(reason)
        case .stored(let reference):
            var update = update
            update.input = try await storePatience.result { [payloads = parts.payloads] () async throws(PayloadFault) in
                try await payloads.fetch(reference)
            }
            return .success(update)
        }
    }

    /// What the code asked for as history is to hold it, with what is large in the store.
    ///
    /// - Parameter start: Of the execution.
    func sealed(
        _ actions: [OrchestratorAction], of request: EpisodeRequest, _ start: ExecutionStarted?
    ) async throws(PayloadFault) -> [OrchestratorAction] {
        var contents: [SealedPayload.Content] = []
        let sealed = try parts.payloads.sealed(actions, contents: &contents) {
            $0.payloadOwner(request.instanceID, request.executionID, parent: start?.parent)
        }
        if !contents.isEmpty {
            try await storePatience.result { [payloads = parts.payloads, contents] () async throws(PayloadFault) in
                for content in contents { try await payloads.store(content) }
            }
        }
        return parts.configuration.limited(sealed)
    }
}
