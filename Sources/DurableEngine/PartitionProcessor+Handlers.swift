import DurableBackend
import DurableCore
import Logging

/// Queries: what clients ask an instance's code, which answers from durable state and changes nothing.
extension PartitionProcessor {
    /// - Returns: nil when it is asked once more, after the instance's first episode.
    func answer(
        of entry: InstanceEntry, to name: String, _ input: Payload?, delivery: Delivery
    ) throws(PartitionEnd) -> QueryAnswer? {
        let state = entry.state
        if delivery.isRedelivered {
            // It had not left the worker that took it: that one has ended by the code, or lost its channel.
            return .failed(
                "the owner that was asked went away before it answered. Nothing was changed. See what became of that "
                    + "worker, then ask again")
        }
        if state.entity != nil {
            return .failed(
                "DTQ2026 \(state.id) is an entity, not an orchestration: it has no queries. Read its state. See ops/errors/DTQ2026.md"
            )
        }
        if let hold = state.hold {
            return .failed(hold.isForCode ? lacksCode(of: state, for: name) : hold.text)
        }
        if state.historyCount == 0 {
            if state.mayRun(at: state.time(at: parts.clock.now())), postponedQueries.count < 1000 {
                postponedQueries.append(delivery)
                return nil
            }
            return .failed(OperatorText.notBegun(state))
        }
        let session: any OrchestrationSession
        do throws(EpisodeEnd) {
            session = try state.status.isTerminal ? rebuiltSession(of: entry) : self.session(of: entry)
        } catch {
            switch error {
            case .end(let end): throw end
            case .lacksCode: return .failed(lacksCode(of: state, for: name))
            case .held(let hold): return .failed(OperatorText.unanswerable(name, of: state, since: hold))
            case .missing(let references):
                if postpone(delivery, of: entry, until: references) { return nil }
                return .failed("DTQ2019 too many queries wait for stored payloads. Ask again in a few seconds")
            }
        }
        if state.hold == nil { fetches.arrived[state.id] = nil }
        let answer: HandlerAnswer
        do throws(PayloadFault) {
            answer = session.query(name, input: try openedInline(input, "the input of a query"))
        } catch {
            return .failed("\(error)")
        }
        if state.status.isTerminal { session.evict() }
        switch answer {
        case .value(let value):
            if let value, value.count > parts.configuration.payloadLimit {
                return .failed(
                    "DTQ2007 the answer of query \"\(name)\" has \(value.count) bytes, the limit is "
                        + "\(parts.configuration.payloadLimit). Have the handler answer with less")
            }
            do throws(PayloadFault) {
                return .value(try value.map { value throws(PayloadFault) in try parts.payloads.encode(value) })
            } catch {
                return .failed("\(error)")
            }
        case .failed(let failure): return .handlerFailed(failure)
        case .noHandler(let known): return .failed(OperatorText.noHandler(name, known: known, of: state))
        case .misused(let violation):
            session.evict()
            if !state.status.isTerminal { entry.session = nil }
            return .failed(OperatorText.misusedQuery(name, violation, of: state))
        }
    }

    private func lacksCode(of state: InstanceState, for query: String) -> String {
        if case .away = place(of: state) {
            return OperatorText.codeElsewhere(query, of: state)
        } else {
            return OperatorText.waitsForCode(state).text
        }
    }
}
