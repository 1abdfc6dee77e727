package import DurableCore

/// What history holds and what the code asked for, compared and in words.
package enum HistoryText {
    /// Whether `event` is what `action` leaves in history. Inputs are not compared: they are not encoded on replay.
    static func isRecord(_ event: HistoryEvent, of action: OrchestratorAction) -> Bool {
        switch (event.kind, action) {
        case (.taskScheduled(let recorded, _), .scheduleTask(let id, let name, _)):
            event.eventID == id && recorded == name
        case (.timerCreated(let recorded), .createTimer(let id, let fireAt)):
            event.eventID == id && recorded == fireAt
        case (.eventSent(let recordedTarget, let recorded, _), .sendEvent(let id, let target, let name, _)):
            event.eventID == id && recorded == name && recordedTarget == target
        case (
            .subOrchestrationCreated(let recorded), .createSubOrchestration(let id, let child)
        ):
            event.eventID == id && recorded.name == child.name && recorded.instanceID == child.instanceID
                && recorded.version == child.version && recorded.isDetached == child.isDetached
        case (.executionCompleted(let recorded, _, _), .completeOrchestration(let id, let status, _, _)):
            event.eventID == id && recorded == status
        case (.executionCompleted(.continuedAsNew, _, _), .continueAsNew(let id, _, _, _)): event.eventID == id
        case (.patchRecorded(let recorded, _), .recordPatch(let id, _)): recorded == id
        case (.updateCompleted(let recorded, _, _), .completeUpdate(let id, _, _)): recorded == id
        case (.entityOperationCalled(let call), .callEntity(let id, let target, let operation, _, let section)):
            event.eventID == id && call.target == target && call.operation == operation
                && call.section.flatMap { EventID(entityRequest: $0) } == section
        case (.entityOperationSignaled(let signal), .signalEntity(let id, let target, let operation, _)):
            event.eventID == id && signal.target == target && signal.operation == operation
        case (.entityLockRequested(let request), .lockEntities(let id, let lockSet)):
            event.eventID == id && request.lockSet == lockSet
        case (.entityUnlockSent(let unlock), .unlockEntity(let section, let target)):
            EventID(entityRequest: unlock.section) == section && unlock.target == target
        case (.entityUnlockSent(let unlock), .abandonSection(let section)):
            EventID(entityRequest: unlock.section) == section && unlock.target == nil
        default: false
        }
    }

    package static func describe(_ event: HistoryEvent) -> String {
        switch event.kind {
        case .taskScheduled(let name, _): #"TaskScheduled "\#(name)" (event ID \#(event.eventID))"#
        case .timerCreated(let fireAt): "TimerCreated due \(fireAt) (event ID \(event.eventID))"
        case .eventSent(let target, let name, _):
            #"EventSent "\#(name)" to instance "\#(target)" (event ID \#(event.eventID))"#
        case .executionCompleted(let status, _, _): "ExecutionCompleted as \(status) (event ID \(event.eventID))"
        case .subOrchestrationCreated(let child):
            "SubOrchestrationInstanceCreated \(describe(child)) (event ID \(event.eventID))"
        case .patchRecorded(let id, let isDeprecated):
            #"PatchRecorded "\#(id)"\#(isDeprecated ? ", deprecated" : "")"#
        case .updateRequested(let request): #"UpdateRequested "\#(request.name)" (update ID "\#(request.id)")"#
        case .updateCompleted(let id, _, _): #"UpdateCompleted of update ID "\#(id)""#
        case .entityOperationCalled(let call):
            #"EntityOperationCalled "\#(call.operation)" of \#(entity(call.target)) (event ID \#(event.eventID))"#
        case .entityOperationSignaled(let signal):
            #"EntityOperationSignaled "\#(signal.operation)" of \#(entity(signal.target)) (event ID \#(event.eventID))"#
        case .entityLockRequested(let request):
            "EntityLockRequested for \(list(request.lockSet)) (event ID \(event.eventID))"
        case .entityUnlockSent(let unlock): "EntityUnlockSent to \(entity(unlock.target)) by section \(unlock.section)"
        case .entityOperationCompleted(let requestID, _), .entityOperationFailed(let requestID, _):
            "\(event.typeName) for event ID \(EventID(entityRequest: requestID) ?? .none)"
        case .entityLockGranted(let section):
            "EntityLockGranted for event ID \(EventID(entityRequest: section) ?? .none)"
        case .taskCompleted(let id, _), .taskFailed(let id, _), .subOrchestrationCompleted(let id, _),
            .subOrchestrationFailed(let id, _), .timerFired(let id, _):
            "\(event.typeName) for event ID \(id)"
        default: event.typeName
        }
    }

    private static func describe(_ child: ChildStart) -> String {
        #""\#(child.name)" as "\#(child.instanceID)""# + (child.version.map { #" of version "\#($0)""# } ?? "")
            + (child.isDetached ? ", not waited for" : "")
    }

    private static func entity(_ id: InstanceID?) -> String { id?.value ?? "an entity" }

    private static func list(_ ids: [InstanceID]) -> String { ids.map(\.value).joined(separator: ", ") }

    package static func describe(_ action: OrchestratorAction) -> String {
        switch action {
        case .scheduleTask(let id, let name, _): #"activity "\#(name)" (event ID \#(id))"#
        case .createTimer(let id, let fireAt): "a timer due \(fireAt) (event ID \(id))"
        case .cancelTimer(let id): "to cancel the timer of event ID \(id)"
        case .cancelTask(let id): "to cancel the activity of event ID \(id)"
        case .cancelChild(let id): "to cancel the sub-orchestration of event ID \(id)"
        case .sendEvent(let id, let target, let name, _):
            #"to raise event "\#(name)" for instance "\#(target)" (event ID \#(id))"#
        case .createSubOrchestration(let id, let child): "sub-orchestration \(describe(child)) (event ID \(id))"
        case .continueAsNew(let id, _, _, _): "to continue as new (event ID \(id))"
        case .completeOrchestration(let id, let status, _, _): "to end as \(status) (event ID \(id))"
        case .setCustomStatus: "to set its custom status"
        case .setCompensatesTermination: "to be told of a termination"
        case .passOn: "to leave a request to its next execution"
        case .recordPatch(let id, _): #"whether it is patched with "\#(id)""#
        case .completeUpdate(let id, _, _): #"to end the update of ID "\#(id)""#
        case .callEntity(let id, let target, let operation, _, _):
            #"operation "\#(operation)" of \#(target) (event ID \#(id))"#
        case .signalEntity(let id, let target, let operation, _):
            #"to signal operation "\#(operation)" of \#(target) (event ID \#(id))"#
        case .lockEntities(let id, let lockSet): "a critical section of \(list(lockSet)) (event ID \(id))"
        case .unlockEntity(let section, let target): "to end the critical section of event ID \(section) at \(target)"
        case .abandonSection(let section): "to give up the critical section of event ID \(section)"
        }
    }
}
