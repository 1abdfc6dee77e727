package import DurableBackend
package import DurableCore

/// One-line texts an operator can act on: what failed, why, what was done about it, what to do.
package enum OperatorText {
    package static func episodeFailure(_ failure: EpisodeFailure, of state: InstanceState) -> Hold {
        let subject = "instance \(state.id) (\(state.name)\(state.version.map { " v\($0)" } ?? ""))"
        let remedy =
            switch failure {
            case .nonDeterministic:
                "Deploy code that fits it (\(state.author.map { "\($0.text) wrote to it last" } ?? "the version that wrote it"), "
                    + "or a change behind context.isPatched), or terminate the instance."
            case .nonDurableAwait:
                "Await only what the context offers (callActivity, sleep, waitForExternalEvent), then deploy again."
            case .contextMisuse: "Use async let or a task group instead of Task {}, then deploy again."
            }
        return hold(failure.code, subject, failure.explanation, remedy)
    }

    /// For the log, whoever may have the code.
    package static func noCode(for state: InstanceState) -> Hold {
        hold(
            Hold.codeOfMissingCode, "instance \(state.id)", "its owner has no orchestration \(state.code)",
            "It goes on with a worker that registers it.")
    }

    /// While nobody has it.
    package static func waitsForCode(_ state: InstanceState) -> Hold {
        hold(
            Hold.codeOfMissingCode, "instance \(state.id)",
            "waiting for code: no worker has orchestration \(state.code)",
            "It goes on by itself once a worker that registers it is there.")
    }

    package static func crashesElsewhere(_ state: InstanceState, attempts: Int, build: String) -> Hold {
        var hold = hold(
            "DTQ2008", "instance \(state.id) (\(state.name)\(state.version.map { " v\($0)" } ?? ""))",
            "its code began to run \(attempts) times on workers that have it, and none of them answered",
            "Mend the code, deploy it under another DTQ_BUILD than \"\(build)\", or terminate the instance.")
        hold.build = build
        return hold
    }

    package static func noCode(ofEntity id: EntityID) -> Hold {
        hold(
            "DTQ2005", "entity \(id)", "this worker has no operations of entity \"\(id.name)\"",
            "Start a worker that registers them.")
    }

    package static func crashes(_ state: InstanceState, in epochs: [Epoch], build: String) -> Hold {
        var hold = hold(
            "DTQ2008", "instance \(state.id) (\(state.name)\(state.version.map { " v\($0)" } ?? ""))",
            "its code began to run \(epochs.count) times and the worker ended each time before the result was saved "
                + "(epochs \(epochs.map(\.description).joined(separator: ", ")))",
            "Mend the code, deploy it under another DTQ_BUILD than \"\(build)\", or terminate the instance.")
        hold.build = build
        return hold
    }

    package static func noHandler(_ query: String, known: [String], of state: InstanceState) -> String {
        let names = known.map { "\"\($0)\"" }.joined(separator: ", ")
        return "DTQ2015 instance \(state.id) (\(state.name)) has no handler of query \"\(query)\"; it answers "
            + "\(names.isEmpty ? "none so far" : names). Nothing was changed. Check the name, or have the orchestration call "
            + "context.handle before its first await"
    }

    package static func notBegun(_ state: InstanceState) -> String {
        "DTQ2015 instance \(state.id) (\(state.name)) is \(state.status) and has not begun, so that it answers no query. "
            + "Nothing was changed. Ask again when it has"
    }

    package static func misusedQuery(_ query: String, _ violation: String, of state: InstanceState) -> String {
        "DTQ2016 the handler of query \"\(query)\" of instance \(state.id) (\(state.name)) \(violation), though a query may "
            + "only look. Nothing was changed. Make it an update, or mend the handler"
    }

    package static func unanswerable(_ query: String, of state: InstanceState, since hold: Hold) -> String {
        "\(hold.code) query \"\(query)\" cannot be answered, since the code of this worker does not fit instance "
            + "\(state.id) (\(state.name)), which goes on as it is. Deploy code that fits its history; "
            + "replay-check shows what does not"
    }

    package static func codeElsewhere(_ query: String, of state: InstanceState) -> String {
        "DTQ2005 query \"\(query)\" cannot be answered, since the code of instance \(state.id) (\(state.code)) runs on "
            + "other workers than the owner of its partition, which goes on with it all the same. Nothing was changed. Read "
            + "its custom status instead, or have the workers of that code own the partitions"
    }

    package static func payloadFault(_ fault: PayloadFault, of state: InstanceState) -> Hold {
        hold(
            fault.code, "instance \(state.id) (\(state.name))", "a payload of it cannot be used: \(fault.reason)",
            "\(fault.remedy).")
    }

    package static func payloadFault(_ fault: PayloadFault, ofEntity id: EntityID) -> Hold {
        hold(
            fault.code, "entity \(id)", "a payload of it cannot be used: \(fault.reason)",
            // Nobody terminates an entity.
            fault.kind == .unreadable
                ? "Start workers with the payload options it was written with, or restore the hub from a backup."
                : "\(fault.remedy).")
    }

    package static func unusableInput(
        ofOperation name: String, _ id: EntityID, _ fault: PayloadFault
    ) -> FailureDetails {
        FailureDetails(
            errorType: "PayloadError",
            message: "\(fault.code) the input of operation \"\(name)\" of \(id) cannot be used: \(fault.reason). "
                + "It was not performed. Send it again. See ops/errors/\(fault.code).md",
            isNonRetryable: true)
    }

    package static func waitsForPayloads(_ count: Int, _ state: InstanceState) -> Hold {
        hold(
            "DTQ2019", "instance \(state.id) (\(state.name))",
            "\(count == 1 ? "a payload" : "\(count) payloads") that its code is to be given \(count == 1 ? "is" : "are") "
                + "being fetched from the payload store", "It goes on by itself.")
    }

    package static func payloadTooLarge(_ what: String, _ fault: PayloadFault) -> FailureDetails {
        FailureDetails(
            errorType: "PayloadTooLarge", message: "DTQ2007 \(what): \(fault.reason). \(fault.remedy).",
            isNonRetryable: true)
    }

    package static func longHistory(of state: InstanceState) -> String {
        "DTQ2010 instance \(state.id) (\(state.name)): its history has \(state.historyCount) events, all of which are "
            + "read again whenever it is not in memory. It goes on. End executions that go on for ever with "
            + "context.continueAsNew, or give parts of the work to sub-orchestrations. See ops/errors/DTQ2010.md"
    }

    private static func hold(_ code: String, _ subject: String, _ cause: String, _ remedy: String) -> Hold {
        Hold(
            code: code,
            text: "\(code) \(subject): \(cause). The instance is held, its history unchanged, its messages kept. "
                + "\(remedy) See ops/errors/\(code).md")
    }

    package static func payloadTooLarge(_ bytes: Int, limit: Int, what: String) -> FailureDetails {
        FailureDetails(
            errorType: "PayloadTooLarge",
            message: "DTQ2007 \(what) has \(bytes) bytes, the limit is \(limit). Pass a reference instead of the data.",
            isNonRetryable: true)
    }

    package static func tooManyEvents(_ count: Int, _ bytes: Int, limit: Int) -> FailureDetails {
        FailureDetails(
            errorType: "TooManyEvents",
            message: "DTQ2007 \(count) external events that nobody has taken (\(bytes) bytes, the limit is \(limit)) "
                + "cannot go to the next execution. The instance has failed, they are in its history. Wait for the events "
                + "that are raised, or raise fewer.",
            isNonRetryable: true)
    }

    package static func fenced(_ partition: PartitionID, hub: HubName, epoch: Epoch, by newest: Epoch, returned: Int)
        -> String
    {
        """
        DTQ1007 partition \(partition) of hub "\(hub)": epoch \(epoch) superseded by \(newest). Nothing was written; \
        \(returned) deliveries went back to the control queue. No action needed unless it repeats within a minute. \
        See ops/errors/DTQ1007.md
        """
    }
}
