package import DurableCore

extension HistoryJSON {
    /// Reads what `dtq history ID --json --payloads` prints, on one line or on many.
    ///
    /// - Throws: What does not fit, and in which event.
    package static func read(_ bytes: [UInt8]) throws(HistoryJSONError) -> (id: InstanceID, events: [HistoryEvent]) {
        let document: JSONValue
        do {
            document = try JSONParser.parse(bytes)
        } catch {
            throw HistoryJSONError(reason: "this is no JSON: \(error)")
        }
        guard let id = document["id"]?.stringValue, case .array(let values)? = document["events"] else {
            throw HistoryJSONError(
                reason: "this is no history: a document with \"id\" and \"events\" was expected, as "
                    + "dtq history ID --json --payloads prints it")
        }
        var events: [HistoryEvent] = []
        for (index, value) in values.enumerated() {
            let reader = EventReader(value: value, index: index, instanceID: InstanceID(id))
            events.append(try reader.event())
        }
        return (InstanceID(id), events)
    }
}

/// Reads one event of the document.
private struct EventReader {
    var value: JSONValue
    var index: Int
    /// The document's.
    var instanceID: InstanceID

    func event() throws(HistoryJSONError) -> HistoryEvent {
        var event = HistoryEvent(
            eventID: try optional("eventID", number).map { EventID($0) } ?? .none,
            timestamp: try time("time"), kind: try kind(try text("type")))
        if let build = try optional("build", text) {
            event.author = EpisodeAuthor(build: build, version: try optional("codeVersion", text))
        }
        if let base64 = try optional("unknownFields", text) {
            guard let bytes = Base64.decode(base64) else { throw error("\"unknownFields\" is not in base64") }
            event.unknownFields = bytes
        }
        return event
    }

    private func kind(_ type: String) throws(HistoryJSONError) -> HistoryEvent.Kind {
        switch type {
        case "OrchestratorStarted": return .orchestratorStarted
        case "ExecutionStarted": return .executionStarted(try start())
        case "ExecutionCompleted":
            guard let status = OrchestrationStatus(word: try text("status")) else {
                throw error("\"status\" is no status of an orchestration")
            }
            return .executionCompleted(
                status: status, result: try payload("result"), failure: try optional("failure", failure))
        case "ExecutionTerminated":
            return .executionTerminated(reason: try payload("reason"), recurse: try optional("recurse", flag) ?? false)
        case "CancellationRequested": return .cancellationRequested(reason: try payload("reason"))
        case "ExecutionSuspended": return .executionSuspended(reason: try payload("reason"))
        case "ExecutionResumed": return .executionResumed(reason: try payload("reason"))
        case "ExecutionRewound":
            return .executionRewound(
                reason: try payload("reason"), count: UInt32(clamping: try optional("count", id)?.value ?? 1))
        case "TaskScheduled": return .taskScheduled(name: try text("name"), input: try payload("input"))
        case "TaskCompleted": return .taskCompleted(taskID: try id("task"), result: try payload("result"))
        case "TaskFailed": return .taskFailed(taskID: try id("task"), failure: try failure("failure"))
        case "TimerCreated": return .timerCreated(fireAt: try time("fireAt"))
        case "TimerFired": return .timerFired(timerID: try id("timer"), fireAt: try time("fireAt"))
        case "EventSent":
            return .eventSent(
                instanceID: InstanceID(try text("instance")), name: try text("name"), input: try payload("data"))
        case "EventRaised": return .eventRaised(name: try text("name"), input: try payload("data"))
        case "SubOrchestrationInstanceCreated":
            return .subOrchestrationCreated(
                ChildStart(
                    instanceID: InstanceID(try text("instance")), name: try text("name"),
                    version: try optional("version", text), input: try payload("input"),
                    isDetached: try optional("detached", flag) ?? false, tags: try tags()))
        case "SubOrchestrationInstanceCompleted":
            return .subOrchestrationCompleted(taskID: try id("task"), result: try payload("result"))
        case "SubOrchestrationInstanceFailed":
            return .subOrchestrationFailed(taskID: try id("task"), failure: try failure("failure"))
        case "PatchRecorded":
            return .patchRecorded(id: try text("patch"), isDeprecated: try optional("deprecated", flag) ?? false)
        case "UpdateRequested":
            return .updateRequested(
                UpdateRequest(id: UpdateID(try text("update")), name: try text("name"), input: try payload("input")))
        case "UpdateCompleted":
            return .updateCompleted(
                id: UpdateID(try text("update")), result: try payload("result"),
                failure: try optional("failure", failure))
        case "EntityOperationSignaled":
            return .entityOperationSignaled(
                EntitySignal(
                    requestID: try text("request"), operation: try text("operation"), input: try payload("input"),
                    target: try optional("entity", text).map { InstanceID($0) }))
        case "EntityOperationCalled":
            return .entityOperationCalled(
                EntityCall(
                    requestID: try text("request"), operation: try text("operation"), input: try payload("input"),
                    target: try optional("entity", text).map { InstanceID($0) },
                    section: try optional("section", text)))
        case "EntityOperationCompleted":
            return .entityOperationCompleted(requestID: try text("request"), output: try payload("output"))
        case "EntityOperationFailed":
            return .entityOperationFailed(requestID: try text("request"), failure: try failure("failure"))
        case "EntityLockRequested":
            guard case .array(let values)? = value["entities"] else { throw error("\"entities\" is no list") }
            return .entityLockRequested(
                EntityLockRequest(
                    section: try text("section"), lockSet: values.compactMap { $0.stringValue.map(InstanceID.init) }))
        case "EntityLockGranted": return .entityLockGranted(section: try text("section"))
        case "EntityUnlockSent":
            return .entityUnlockSent(
                EntityUnlock(
                    section: try text("section"), target: try optional("entity", text).map { InstanceID($0) }))
        case "ContinueAsNew": return .continueAsNew(input: try payload("input"))
        default: throw error("\"\(type)\" is no type of event that this version knows")
        }
    }

    private func start() throws(HistoryJSONError) -> ExecutionStarted {
        var start = ExecutionStarted(
            name: try text("name"), version: try optional("version", text), input: try payload("input"),
            instanceID: instanceID, executionID: ExecutionID(try text("execution")),
            scheduledStart: try optional("startAt", time), traceParent: try optional("traceParent", text))
        if let parent = value["parent"], parent != .null {
            let reader = EventReader(value: parent, index: index, instanceID: instanceID)
            start.parent = .init(
                taskID: try reader.id("task"), name: try reader.text("name"),
                instanceID: InstanceID(try reader.text("instance")),
                executionID: ExecutionID(try reader.text("execution")))
        }
        start.tags = try tags()
        return start
    }

    private func tags() throws(HistoryJSONError) -> [ExecutionStarted.Tag] {
        guard let tags = value["tags"] else { return [] }
        guard case .object(let members) = tags else { throw error("\"tags\" is no object") }
        var found: [ExecutionStarted.Tag] = []
        for member in members {
            guard let text = member.value.stringValue else { throw error("tag \"\(member.key)\" is no text") }
            found.append(.init(key: member.key, value: text))
        }
        return found
    }

    // MARK: - Members

    private func error(_ reason: String) -> HistoryJSONError { HistoryJSONError(index: index, reason: reason) }

    private func optional<Value>(
        _ key: String, _ read: (String) throws(HistoryJSONError) -> Value
    ) throws(HistoryJSONError) -> Value? {
        guard let member = value[key], member != .null else { return nil }
        return try read(key)
    }

    private func text(_ key: String) throws(HistoryJSONError) -> String {
        guard let text = value[key]?.stringValue else { throw error("\"\(key)\" is missing or no text") }
        return text
    }

    private func number(_ key: String) throws(HistoryJSONError) -> Int32 {
        guard case .number(let digits)? = value[key], let number = Int32(digits) else {
            throw error("\"\(key)\" is missing or no whole number")
        }
        return number
    }

    private func id(_ key: String) throws(HistoryJSONError) -> EventID { EventID(try number(key)) }

    private func flag(_ key: String) throws(HistoryJSONError) -> Bool {
        guard case .boolean(let flag)? = value[key] else { throw error("\"\(key)\" is neither true nor false") }
        return flag
    }

    private func time(_ key: String) throws(HistoryJSONError) -> Timestamp {
        guard let time = Timestamp(iso8601: try text(key)) else { throw error("\"\(key)\" is no ISO 8601 time") }
        return time
    }

    private func failure(_ key: String) throws(HistoryJSONError) -> FailureDetails {
        guard let value = value[key] else { throw error("\"\(key)\" is missing") }
        return try failure(of: value)
    }

    private func failure(of value: JSONValue) throws(HistoryJSONError) -> FailureDetails {
        let reader = EventReader(value: value, index: index, instanceID: instanceID)
        var causes: [FailureDetails] = []
        if case .array(let values)? = value["cause"] {
            for value in values { causes.append(try failure(of: value)) }
        }
        return FailureDetails(
            errorType: try reader.text("type"), message: try reader.text("message"),
            stackTrace: try reader.optional("stackTrace", reader.text),
            isNonRetryable: try reader.optional("nonRetryable", reader.flag) ?? false, cause: causes)
    }

    private func payload(_ key: String) throws(HistoryJSONError) -> Payload? {
        if let base64 = try optional(key + "Base64", text) {
            guard let bytes = Base64.decode(base64) else { throw error("\"\(key)Base64\" is not in base64") }
            return Payload(bytes)
        }
        let count = try optional(key + "Bytes", number)
        guard let member = value[key] else {
            if let count {
                throw error(
                    "the \(count) bytes of \"\(key)\" are missing: export the history with "
                        + "dtq history ID --json --payloads")
            }
            return nil
        }
        if member == .null, count == nil { return nil }
        return Payload(member.text)
    }
}
