import DurableBackend
package import DurableCore
import DurableWire

extension HubClient {
    /// - Returns: nil when there is no such instance.
    /// - Throws: `ClientError`, DTQ5001 when no worker answers for its partition.
    package func status(of id: InstanceID) async throws -> InstanceSnapshot? {
        try check(id)
        switch try await ask(.status(id), of: partition(of: id)) {
        case .status(let snapshot): return snapshot
        case .notFound: return nil
        case let other: throw unexpected(other, "status of instance \(id)")
        }
    }

    /// Lets a held instance try again, whatever it is held for and whichever build its owner is of.
    ///
    /// - Returns: What it was held for; `.some(nil)`: it was not held. nil: there is no such instance.
    /// - Throws: `ClientError`, DTQ5001 when nobody answers: perhaps the code has ended the worker. The code and text of
    ///   the new hold when it is held again at once.
    package func release(_ id: InstanceID) async throws -> Hold?? {
        try check(id)
        // Once: what ended one worker shall not end the next because nobody answered.
        switch try await ask(.release(id), of: partition(of: id), patience: .zero) {
        case .released(let hold): return .some(hold)
        case .notFound: return nil
        case let other: throw unexpected(other, "release of instance \(id)")
        }
    }

    /// The whole history of the instance's execution, oldest first, asked for page by page. Should it continue as new
    /// meanwhile, that of the new one.
    ///
    /// - Returns: nil when there is no such instance.
    package func history(of id: InstanceID) async throws -> [HistoryEvent]? {
        try check(id)
        var events: [HistoryEvent] = []
        var executionID: ExecutionID?
        while true {
            let query = Question.history(id, after: events.count - 1, limit: options.pageSize)
            switch try await ask(query, of: partition(of: id)) {
            case .history(let page, let execution, let isComplete):
                if !events.isEmpty, execution != executionID {
                    events = []
                    continue
                }
                executionID = execution
                events += page
                // An owner that gives nothing and says there is more would keep us here for ever.
                if isComplete || page.isEmpty { return events }
            case .notFound: return nil
            case let other: throw unexpected(other, "history of instance \(id)")
            }
        }
    }

    /// Number of instances by status in the whole hub, in order of the statuses' numbers, without zeros.
    package func counts() async throws -> [QueryAnswer.StatusCount] {
        try await sum(.counts)
    }

    /// The same of the instances that fit `filter`.
    package func counts(_ filter: ListFilter) async throws -> [QueryAnswer.StatusCount] {
        try await sum(.count(filter))
    }

    private func sum(_ query: Question) async throws -> [QueryAnswer.StatusCount] {
        var sums: [OrchestrationStatus: Int] = [:]  // look-up only
        for answer in try await askAll(query) {
            guard case .counts(let counts) = answer else { throw unexpected(answer, "counts") }
            for count in counts { sums[count.status, default: 0] += count.count }
        }
        return OrchestrationStatus.allCases.sorted { $0.rawValue < $1.rawValue }.compactMap { status in
            sums[status].flatMap { $0 > 0 ? .init(status: status, count: $0) : nil }
        }
    }

    /// Asks every partition the same; answers in order of the partitions.
    func askAll(_ query: Question) async throws -> [QueryAnswer] {
        try await withThrowingTaskGroup(of: (PartitionID, QueryAnswer).self) { group in
            for partition in topology.partitions {
                group.addTask { (partition, try await self.ask(query, of: partition)) }
            }
            var answers: [(partition: PartitionID, answer: QueryAnswer)] = []
            for try await answer in group { answers.append(answer) }
            return answers.sorted { $0.partition < $1.partition }.map(\.answer)
        }
    }

    /// Asks the owner of `partition`, again on silence.
    ///
    /// - Parameter patience: How long an owner that is there is asked; zero: once; nil: as usual.
    /// - Throws: `ClientError`, DTQ5001 when nobody answers.
    func ask(_ query: Question, of partition: PartitionID, patience: Duration? = nil) async throws -> QueryAnswer {
        let started = clock.uptime()
        return try await withQuestion(query, of: partition) { question in
            while true {
                try await publish([question.message], "cannot ask partition \(partition) of hub \"\(hub)\"")
                let reply = await replies.reply(to: question.correlationID, within: options.askAgainAfter)
                if let reply { return try answer(in: reply) }
                try Task.checkCancellation()
                let silence = try await silence(of: partition)
                if !silence.isServed || clock.uptime() - started >= patience ?? options.queryPatience {
                    throw silence.error
                }
            }
        }
    }

    struct OpenQuestion {
        var correlationID: String
        var message: OutgoingMessage
    }

    /// Registers a question for as long as `body` runs.
    func withQuestion<Result>(
        _ query: Question, of partition: PartitionID, _ body: (OpenQuestion) async throws -> Result
    ) async throws -> Result {
        try await replies.open()
        let correlationID = makeID()
        let message = topology.question(
            query, to: partition, correlationID: correlationID, replyTo: replies.routingKey, at: clock.now())
        await replies.expect(correlationID, question: message)
        do {
            let result = try await body(OpenQuestion(correlationID: correlationID, message: message))
            await replies.forget(correlationID)
            return result
        } catch {
            await replies.forget(correlationID)
            throw error
        }
    }

    func answer(in reply: Reply) throws -> QueryAnswer {
        switch reply.body {
        case .answer(.failed(let text)): throw failure(text, of: reply.partition)
        case .answer(let answer): return answer
        case .verdict(let verdict):
            throw ClientError(
                .messageUndecodable,
                "partition \(reply.partition) of hub \"\(hub)\" answered a question with verdict \"\(verdict)\". "
                    + "Client and workers may be of different versions.")
        }
    }

    /// An owner's own text may begin with its code.
    private func failure(_ text: String, of partition: PartitionID) -> ClientError {
        let words = text.split(separator: " ", maxSplits: 1)
        let known = words.first.flatMap { word in
            word.count == 7 && word.hasPrefix("DTQ") && word.dropFirst(3).allSatisfy(\.isNumber) ? String(word) : nil
        }
        let rest = known != nil && words.count == 2 ? String(words[1]) : text
        return ClientError(
            known.map(ClientError.Code.init) ?? .storeUnavailable,
            "partition \(partition) of hub \"\(hub)\" could not answer: \(rest)")
    }

    func unexpected(_ answer: QueryAnswer, _ what: String) -> ClientError {
        let kind =
            switch answer {
            case .status: "a status"
            case .history: "a history"
            case .list: "a list"
            case .redriven: "what it sent again"
            case .released: "the release of an instance"
            case .counts: "counts"
            case .tasks: "activities"
            case .value, .handlerFailed: "the answer of an instance's code"
            case .update, .unknownUpdate: "what became of an update"
            case .purged: "what it purged"
            case .notFound: "\"not found\""
            case .failed: "a failure"
            }
        return ClientError(
            .messageUndecodable,
            "hub \"\(hub)\": asked for the \(what), an owner answered with \(kind). "
                + "Client and workers may be of different versions.")
    }
}
