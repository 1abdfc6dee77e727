package import DurableCore

/// One thing that an event says, by the key it has in JSON.
package struct HistoryField: Sendable {
    package enum Value: Sendable {
        case text(String)
        case number(Int32)
        case flag(Bool)
        case payload(Payload?)
        case failure(FailureDetails)
        case json(JSONValue)
    }

    package var name: String
    package var value: Value
    /// Needed to replay the event, but not to understand it.
    package var isDetail = false
}

extension HistoryEvent {
    /// What the event says beside its time, type and event ID, in the order it is shown in.
    package var fields: [HistoryField] {
        func field(_ name: String, _ value: HistoryField.Value) -> HistoryField { .init(name: name, value: value) }
        func detail(_ name: String, _ value: HistoryField.Value?) -> [HistoryField] {
            value.map { [.init(name: name, value: $0, isDetail: true)] } ?? []
        }
        var fields: [HistoryField]
        switch kind {
        case .orchestratorStarted: fields = []
        case .executionStarted(let start):
            fields = [field("name", .text(start.name))] + (start.version.map { [field("version", .text($0))] } ?? [])
            fields.append(field("input", .payload(start.input)))
            if let time = start.scheduledStart { fields.append(field("startAt", .text(time.description))) }
            fields += detail("execution", .text(start.executionID.value))
            fields += detail("parent", start.parent.map { .json(Self.json(of: $0)) })
            fields += detail("traceParent", start.traceParent.map { .text($0) })
            fields += detail("tags", start.tags.isEmpty ? nil : .json(Self.json(of: start.tags)))
        case .executionCompleted(let status, let result, let failure):
            fields = [field("status", .text(status.description)), field("result", .payload(result))]
            if let failure { fields.append(field("failure", .failure(failure))) }
        case .executionTerminated(let reason, let recurse):
            fields = [field("reason", .payload(reason))] + detail("recurse", .flag(recurse))
        case .cancellationRequested(let reason), .executionSuspended(let reason), .executionResumed(let reason):
            fields = [field("reason", .payload(reason))]
        case .executionRewound(let reason, let count):
            fields = [field("reason", .payload(reason))] + detail("count", .number(Int32(clamping: count)))
        case .taskScheduled(let name, let input):
            fields = [field("name", .text(name)), field("input", .payload(input))]
        case .taskCompleted(let id, let result), .subOrchestrationCompleted(let id, let result):
            fields = [field("task", .number(id.value)), field("result", .payload(result))]
        case .taskFailed(let id, let failure), .subOrchestrationFailed(let id, let failure):
            fields = [field("task", .number(id.value)), field("failure", .failure(failure))]
        case .timerCreated(let fireAt): fields = [field("fireAt", .text(fireAt.description))]
        case .timerFired(let id, let fireAt):
            fields = [field("timer", .number(id.value)), field("fireAt", .text(fireAt.description))]
        case .eventSent(let instance, let name, let input):
            fields = [
                field("name", .text(name)), field("instance", .text(instance.value)), field("data", .payload(input)),
            ]
        case .eventRaised(let name, let input): fields = [field("name", .text(name)), field("data", .payload(input))]
        case .subOrchestrationCreated(let child):
            fields = [field("name", .text(child.name))] + (child.version.map { [field("version", .text($0))] } ?? [])
            fields += [field("instance", .text(child.instanceID.value)), field("input", .payload(child.input))]
            fields += detail("detached", child.isDetached ? .flag(true) : nil)
            fields += detail("tags", child.tags.isEmpty ? nil : .json(Self.json(of: child.tags)))
        case .patchRecorded(let id, let isDeprecated):
            fields = [field("patch", .text(id))] + (isDeprecated ? [field("deprecated", .flag(true))] : [])
        case .updateRequested(let request):
            fields = [
                field("name", .text(request.name)), field("update", .text(request.id.value)),
                field("input", .payload(request.input)),
            ]
        case .updateCompleted(let id, let result, let failure):
            fields = [field("update", .text(id.value)), field("result", .payload(result))]
            if let failure { fields.append(field("failure", .failure(failure))) }
        case .entityOperationSignaled(let signal):
            fields = [field("operation", .text(signal.operation))]
            if let target = signal.target { fields.append(field("entity", .text(target.value))) }
            fields += [field("input", .payload(signal.input))] + detail("request", .text(signal.requestID))
        case .entityOperationCalled(let call):
            fields = [field("operation", .text(call.operation))]
            if let target = call.target { fields.append(field("entity", .text(target.value))) }
            fields += [field("input", .payload(call.input))] + detail("request", .text(call.requestID))
            fields += detail("section", call.section.map { .text($0) })
        case .entityOperationCompleted(let requestID, let output):
            fields = [field("request", .text(requestID)), field("output", .payload(output))]
        case .entityOperationFailed(let requestID, let failure):
            fields = [field("request", .text(requestID)), field("failure", .failure(failure))]
        case .entityLockRequested(let request):
            fields = [
                field("section", .text(request.section)),
                field("entities", .json(.array(request.lockSet.map { .string($0.value) }))),
            ]
        case .entityLockGranted(let section): fields = [field("section", .text(section))]
        case .entityUnlockSent(let unlock):
            fields = [field("section", .text(unlock.section))]
            if let target = unlock.target { fields.append(field("entity", .text(target.value))) }
        case .continueAsNew(let input): fields = [field("input", .payload(input))]
        }
        if let author {
            fields.append(field("build", .text(author.build)))
            if let version = author.version { fields.append(field("codeVersion", .text(version))) }
        }
        return fields + detail("unknownFields", unknownFields.isEmpty ? nil : .text(Base64.encode(unknownFields)))
    }

    private static func json(of tags: [ExecutionStarted.Tag]) -> JSONValue {
        .object(tags.map { .init($0.key, .string($0.value)) })
    }

    private static func json(of parent: ExecutionStarted.ParentInstance) -> JSONValue {
        [
            "name": .string(parent.name), "instance": .string(parent.instanceID.value),
            "execution": .string(parent.executionID.value), "task": .integer(parent.taskID.value),
        ]
    }
}
