package import DurableBackend
package import DurableCore

/// Payloads between code and history, for whoever runs episodes: the partition's owner, or another worker for it.
extension PayloadAccess {
    /// The payload of an event as code is given it; nil: the event as it is.
    package func opened(_ event: HistoryEvent) throws(PayloadFault) -> OpenedPayload? {
        guard event.handsPayloadToCode, let payload = event.payload, payload.isInEnvelope else { return nil }
        return try open(payload)
    }

    /// An update as code is given it.
    package func opened(_ update: UpdateRequest) -> OpenedUpdate {
        guard let input = update.input else { return .update(update) }
        do throws(PayloadFault) {
            switch try open(input) {
            case .stored(let reference): return .stored(reference)
            case .payload(let payload):
                var update = update
                update.input = payload
                return .update(update)
            }
        } catch {
            return .refused(FailureDetails(errorType: "PayloadUnreadable", message: "\(error)"))
        }
    }

    /// Reads stored payloads, all at a time.
    package func fetch(_ references: [StoredPayload]) async throws(PayloadFault) -> [StoredPayload: Payload] {
        let (fetched, fault) = await withTaskGroup(of: (StoredPayload, Result<Payload, PayloadFault>).self) { group in
            for reference in references {
                group.addTask {
                    do throws(PayloadFault) {
                        return (reference, .success(try await fetch(reference)))
                    } catch {
                        return (reference, .failure(error))
                    }
                }
            }
            var (fetched, fault) = ([StoredPayload: Payload](), PayloadFault?.none)
            for await (reference, result) in group {
                switch result {
                case .success(let payload): fetched[reference] = payload
                case .failure(let error): fault = fault ?? error
                }
            }
            return (fetched, fault)
        }
        if let fault { throw fault }
        return fetched
    }

    /// What code asked for, as history is to hold it. One payload that is too large fails the orchestration, or the
    /// update whose result it is. Does no I/O.
    ///
    /// - Parameters:
    ///   - owner: Of an action's payload.
    ///   - contents: What must be stored first.
    package func sealed(
        _ actions: [OrchestratorAction], contents: inout [SealedPayload.Content],
        owner: (OrchestratorAction) -> PayloadOwner
    ) throws(PayloadFault) -> [OrchestratorAction] {
        var sealed = actions
        for index in sealed.indices {
            // The reason of a requested end comes back as it came.
            guard let payload = sealed[index].payload, !payload.isSealed else { continue }
            do throws(PayloadFault) {
                if sealed[index].keepsPayloadInline {
                    sealed[index].payload = try encode(payload)
                    continue
                }
                let result = try seal(payload, for: owner(sealed[index]))
                sealed[index].payload = result.payload
                if let content = result.content { contents.append(content) }
            } catch {
                guard error.kind == .tooLarge else { throw error }
                let failure = OperatorText.payloadTooLarge(sealed[index].payloadDescription, error)
                if case .completeUpdate(let id, _, _) = sealed[index] {
                    sealed[index] = .completeUpdate(id: id, result: nil, failure: failure)
                    continue
                }
                contents = []
                return [.completeOrchestration(id: .none, status: .failed, result: nil, failure: failure)]
            }
        }
        return sealed
    }
}

package enum OpenedUpdate: Hashable, Sendable {
    case update(UpdateRequest)
    /// Its input must be fetched.
    case stored(StoredPayload)
    /// Why it is refused: its input cannot be shown to the code.
    case refused(FailureDetails)
}
