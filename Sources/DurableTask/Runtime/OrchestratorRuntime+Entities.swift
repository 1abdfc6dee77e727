import DurableCore

/// The critical section that code runs in.
struct CriticalSection: Sendable {
    /// Of the request to enter it.
    let id: EventID
    /// In the order in which they are locked.
    let entities: [InstanceID]

    @TaskLocal static var current: CriticalSection?
}

extension OrchestratorRuntime {
    func callEntity(_ entity: EntityID, _ operation: String, input: Payload?) async throws -> Payload? {
        let id = operations.add(.entity(nil))
        asked.append(
            .callEntity(
                id: id, target: entity.instanceID, operation: operation, input: input,
                section: CriticalSection.current?.id))
        switch try await wait(for: id) {
        case .completed(let result): return result
        case .failed(let details):
            throw EntityOperationFailure(entity: entity, operation: operation, taskID: id, details: details)
        case .cancelled: throw CancellationError()
        case .timerFired, .interrupted: throw OrchestrationInterrupted()
        }
    }

    func signalEntity(_ entity: EntityID, _ operation: String, input: Payload?) {
        let id = operations.add(.settled)
        asked.append(.signalEntity(id: id, target: entity.instanceID, operation: operation, input: input))
    }

    func enterSection(_ entities: [EntityID]) async throws -> CriticalSection {
        var lockSet: [InstanceID] = []
        for id in entities.map(\.instanceID).sorted() where lockSet.last != id { lockSet.append(id) }
        let id = operations.add(.section(nil))
        let section = CriticalSection(id: id, entities: lockSet)
        asked.append(.lockEntities(id: id, lockSet))
        do {
            switch try await wait(for: id) {
            case .completed: return section
            case .cancelled: throw CancellationError()
            case .failed, .timerFired, .interrupted: throw OrchestrationInterrupted()
            }
        } catch {
            // The request is on its way; this follows it.
            if mayAct("context.lock") { asked.append(.abandonSection(id)) }
            throw error
        }
    }

    func leaveSection(_ section: CriticalSection) {
        // At its end the engine ends the instance's sections.
        guard mayAct("the end of a critical section") else { return }
        for entity in section.entities { asked.append(.unlockEntity(section: section.id, target: entity)) }
    }
}
