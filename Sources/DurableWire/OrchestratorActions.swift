package import DurableCore
internal import SwiftProtobuf

/// What became of a shipped episode, as it goes to the instance's owner.
package enum OrchestratorActions {
    package static func encode(_ result: EpisodeResult) -> [UInt8] {
        var wire = PBOrchestratorActions()
        wire.actions = result.actions.map(PBOrchestratorAction.init)
        if let admitted = result.admittedUpdate { wire.admittedUpdate = admitted.value }
        wire.rejectedUpdates = result.rejectedUpdates.map { rejection in
            var wire = PBOrchestratorActions.Rejection()
            wire.updateID = rejection.id.value
            wire.reason = PBFailureDetails(rejection.reason)
            return wire
        }
        wire.isPartial = result.isPartial
        guard let bytes: [UInt8] = try? wire.serializedBytes() else {
            preconditionFailure("an episode's actions must stay below 2 GiB")
        }
        return bytes
    }

    package static func decode(_ bytes: [UInt8]) throws(WireError) -> EpisodeResult {
        let wire: PBOrchestratorActions
        do {
            wire = try PBOrchestratorActions(serializedBytes: bytes)
        } catch {
            throw .undecodable("\(PBOrchestratorActions.protoMessageName): \(error)")
        }
        return EpisodeResult(
            actions: try wire.actions.map(OrchestratorAction.init),
            admittedUpdate: wire.hasAdmittedUpdate ? UpdateID(wire.admittedUpdate) : nil,
            rejectedUpdates: wire.rejectedUpdates.map {
                EpisodeResult.Rejection(id: UpdateID($0.updateID), reason: FailureDetails($0.reason))
            }, isPartial: wire.isPartial)
    }
}

extension PBOrchestratorAction {
    fileprivate init(_ action: OrchestratorAction) {
        self.init()
        id = action.eventID.value
        switch action {
        case .scheduleTask(_, let name, let input):
            scheduleTask.name = name
            if let input { scheduleTask.input = Google_Protobuf_BytesValue(input) }
        case .createTimer(_, let fireAt):
            createTimer.fireAt = Google_Protobuf_Timestamp(fireAt)
        case .cancelTimer:
            cancelTimer = PBCancelTimerAction()
        case .sendEvent(_, let target, let name, let input):
            sendEvent.instance.instanceID = target.value
            sendEvent.name = name
            if let input { sendEvent.data = Google_Protobuf_BytesValue(input) }
        case .createSubOrchestration(_, let child):
            createSubOrchestration.instanceID = child.instanceID.value
            createSubOrchestration.name = child.name
            if let version = child.version {
                createSubOrchestration.version = Google_Protobuf_StringValue(text: version)
            }
            if let input = child.input { createSubOrchestration.input = Google_Protobuf_BytesValue(input) }
            createSubOrchestration.tags = child.tags.map(PBTag.init)
            createSubOrchestration.isDetached = child.isDetached
        case .continueAsNew(_, let input, let version, let carriedOver):
            completeOrchestration.orchestrationStatus = .continuedAsNew
            if let input { completeOrchestration.result = Google_Protobuf_BytesValue(input) }
            if let version { completeOrchestration.newVersion = Google_Protobuf_StringValue(text: version) }
            completeOrchestration.carryoverEvents = carriedOver.map { event in
                var wire = PBHistoryEvent()
                wire.eventID = EventID.none.value
                wire.eventRaised.name = event.name
                if let input = event.input { wire.eventRaised.input = Google_Protobuf_BytesValue(input) }
                return wire
            }
        case .completeOrchestration(_, let status, let result, let failure):
            completeOrchestration.orchestrationStatus = PBOrchestrationStatus(status)
            if let result { completeOrchestration.result = Google_Protobuf_BytesValue(result) }
            if let failure { completeOrchestration.failureDetails = PBFailureDetails(failure) }
        case .recordPatch(let patch, let isDeprecated):
            recordPatch.patch = patch
            recordPatch.isDeprecated = isDeprecated
        case .setCustomStatus(let status):
            setCustomStatus = PBSetCustomStatusAction()
            if let status { setCustomStatus.value = Google_Protobuf_BytesValue(status) }
        case .cancelTask:
            cancelTask = PBCancelTaskAction()
        case .cancelChild:
            cancelChild = PBCancelChildAction()
        case .setCompensatesTermination(let value):
            setCompensatesTermination = value
        case .passOn(let request):
            // Its time is that of the next execution's begin.
            passOn = PBHistoryEvent(HistoryEvent(timestamp: Timestamp(ms: 0), kind: request))
        case .callEntity(_, let target, let operation, let input, let section):
            callEntity = PBEntityAction(target, operation, input)
            if let section { callEntity.section = section.value }
        case .signalEntity(_, let target, let operation, let input):
            signalEntity = PBEntityAction(target, operation, input)
        case .lockEntities(_, let lockSet):
            lockEntities = PBLockEntitiesAction()
            lockEntities.lockSet = lockSet.map(\.value)
        case .unlockEntity(let section, let target):
            unlockEntity.section = section.value
            unlockEntity.instanceID = target.value
        case .abandonSection(let section):
            abandonSection = section.value
        case .completeUpdate(let update, let result, let failure):
            completeUpdate.updateID = update.value
            if let result { completeUpdate.result = Google_Protobuf_BytesValue(result) }
            if let failure { completeUpdate.failure = PBFailureDetails(failure) }
        }
    }
}

extension OrchestratorAction {
    fileprivate init(_ wire: PBOrchestratorAction) throws(WireError) {
        let id = EventID(wire.id)
        switch wire.kind {
        case .scheduleTask(let wire):
            self = .scheduleTask(id: id, name: wire.name, input: wire.hasInput ? Payload(wire.input) : nil)
        case .createTimer(let wire):
            try required(wire.hasFireAt, "time of a timer")
            self = .createTimer(id: id, fireAt: try Timestamp(wire.fireAt))
        case .cancelTimer:
            self = .cancelTimer(id: id)
        case .sendEvent(let wire):
            self = .sendEvent(
                id: id, instanceID: InstanceID(wire.instance.instanceID), name: wire.name,
                input: wire.hasData ? Payload(wire.data) : nil)
        case .createSubOrchestration(let wire):
            self = .createSubOrchestration(
                id: id,
                ChildStart(
                    instanceID: InstanceID(wire.instanceID), name: wire.name,
                    version: wire.hasVersion ? wire.version.value : nil,
                    input: wire.hasInput ? Payload(wire.input) : nil, isDetached: wire.isDetached,
                    tags: [ExecutionStarted.Tag](wire.tags)))
        case .completeOrchestration(let wire):
            let status = try OrchestrationStatus(wire.orchestrationStatus)
            let result = wire.hasResult ? Payload(wire.result) : nil
            switch status {
            case .continuedAsNew:
                self = .continueAsNew(
                    id: id, input: result, version: wire.hasNewVersion ? wire.newVersion.value : nil,
                    carriedOver: try wire.carryoverEvents.map(RaisedEvent.init))
            case .completed, .failed, .canceled, .terminated:
                self = .completeOrchestration(
                    id: id, status: status, result: result,
                    failure: wire.hasFailureDetails ? FailureDetails(wire.failureDetails) : nil)
            default:
                throw .undecodable("an orchestration cannot end as \(status)")
            }
        case .recordPatch(let wire):
            try required(!wire.patch.isEmpty, "ID of a patch")
            self = .recordPatch(id: wire.patch, isDeprecated: wire.isDeprecated)
        case .setCustomStatus(let wire):
            self = .setCustomStatus(wire.hasValue ? Payload(wire.value) : nil)
        case .cancelTask:
            self = .cancelTask(id: id)
        case .cancelChild:
            self = .cancelChild(id: id)
        case .setCompensatesTermination(let value):
            self = .setCompensatesTermination(value)
        case .passOn(let wire):
            self = .passOn(try HistoryEvent(wire).kind)
        case .completeUpdate(let wire):
            self = .completeUpdate(
                id: UpdateID(wire.updateID), result: wire.hasResult ? Payload(wire.result) : nil,
                failure: wire.hasFailure ? FailureDetails(wire.failure) : nil)
        case .callEntity(let wire):
            self = .callEntity(
                id: id, target: InstanceID(wire.instanceID), operation: wire.operation,
                input: wire.hasInput ? Payload(wire.input) : nil,
                section: wire.hasSection ? EventID(wire.section) : nil)
        case .signalEntity(let wire):
            self = .signalEntity(
                id: id, target: InstanceID(wire.instanceID), operation: wire.operation,
                input: wire.hasInput ? Payload(wire.input) : nil)
        case .lockEntities(let wire):
            try required(!wire.lockSet.isEmpty, "entities of a critical section")
            self = .lockEntities(id: id, wire.lockSet.map(InstanceID.init))
        case .unlockEntity(let wire):
            self = .unlockEntity(section: EventID(wire.section), target: InstanceID(wire.instanceID))
        case .abandonSection(let section):
            self = .abandonSection(EventID(section))
        case nil:
            throw .undecodable("an action of a kind this version does not know")
        }
    }
}

extension PBEntityAction {
    fileprivate init(_ target: InstanceID, _ operation: String, _ input: Payload?) {
        self.init()
        instanceID = target.value
        self.operation = operation
        if let input { self.input = Google_Protobuf_BytesValue(input) }
    }
}

extension RaisedEvent {
    fileprivate init(_ wire: PBHistoryEvent) throws(WireError) {
        guard case .eventRaised(let raised)? = wire.kind else {
            throw .undecodable("an event left to the next execution is no EventRaised")
        }
        self.init(name: raised.name, input: raised.hasInput ? Payload(raised.input) : nil)
    }
}
