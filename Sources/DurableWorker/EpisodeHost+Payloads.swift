import DurableBackend
import DurableCore
import DurableEngine

/// Payloads of shipped episodes, between how histories hold them and how code sees them. They cross as histories hold
/// them, both ways: the owner need not be able to open them. What is stored may be waited for: this is no partition's
/// thread.
extension EpisodeHost {
    /// Of stored payloads that replay is given at a time.
    private static var chunk: (bytes: Int, count: Int) { (16 << 20, 64) }

    /// Replays a page of recorded history.
    func replay(_ page: [HistoryEvent], in session: any OrchestrationSession) async throws {
        var rest = page[...]
        while !rest.isEmpty {
            let count = try countOfChunk(rest)
            try session.replay(try await opened(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
    }

    /// How many of the first events have stored payloads that together fit into memory; one at least.
    private func countOfChunk(_ events: ArraySlice<HistoryEvent>) throws(PayloadFault) -> Int {
        var (bytes, references) = (0, 0)
        for (offset, event) in events.enumerated() {
            guard case .stored(let reference)? = try parts.payloads.opened(event) else { continue }
            if references > 0, bytes + reference.size > Self.chunk.bytes || references == Self.chunk.count {
                return offset
            }
            bytes += reference.size
            references += 1
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
        let fetched = try await fromStore {
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
        guard let input = update.input else { return .success(update) }
        var update = update
        let opened: OpenedPayload
        do throws(PayloadFault) {
            opened = try parts.payloads.open(input)
        } catch {
            return .failure(.unreadableUpdate(error))
        }
        switch opened {
        case .payload(let payload): update.input = payload
        case .stored(let reference):
            let payloads = parts.payloads
            update.input = try await fromStore { () async throws(PayloadFault) in try await payloads.fetch(reference) }
        }
        return .success(update)
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
            try await fromStore { [payloads = parts.payloads, contents] () async throws(PayloadFault) in
                for content in contents { try await payloads.store(content) }
            }
        }
        return parts.configuration.limited(sealed)
    }

    /// How long an episode waits for the payload store at most.
    private static var storePatience: Duration { .seconds(10) }

    /// Has the store do something, unless it takes too long, or has just done so: other episodes wait meanwhile.
    private func fromStore<Value: Sendable>(
        _ work: @escaping @Sendable () async throws(PayloadFault) -> Value
    ) async throws(PayloadFault) -> Value {
        let late = PayloadFault(
            .unavailable, "DTQ2019", "the payload store does not answer",
            remedy: "See to it that it can be reached; nothing is lost meanwhile")
        if parts.clock.uptime() < storeTroubleEnd { throw late }
        let deadline = parts.clock.uptime() + Self.storePatience
        let outcome = PlatformLock<Result<Value, PayloadFault>?>(nil)
        let finished = Signal()
        // Not in a group: one that does not answer cannot be waited for.
        Task {
            let result: Result<Value, PayloadFault>
            do throws(PayloadFault) {
                result = .success(try await work())
            } catch {
                result = .failure(error)
            }
            outcome.withLock { $0 = result }
            finished.raise()
        }
        let alarm = finished.raise(after: Self.storePatience, by: parts.clock)
        while outcome.withLock({ $0 == nil }), parts.clock.uptime() < deadline, !Task.isCancelled {
            await finished.wait()
        }
        alarm.cancel()
        let result = outcome.withLock { $0 } ?? .failure(late)
        if case .failure(let fault) = result, fault.kind == .unavailable {
            storeTroubleEnd = parts.clock.uptime() + .seconds(5)
        }
        return try result.get()
    }
}
