package import DurableCore
package import DurableEngine
package import DurableTask
import Logging

/// Runs the orchestrations this worker registered.
package struct NativeExecutor: EpisodeExecutor {
    private let registry: Registry
    private let options: NativeOrchestration.Options
    private let watch: CodeWatch?

    package init(registry: Registry, options: NativeOrchestration.Options, watch: CodeWatch? = nil) {
        self.registry = registry
        self.options = options
        self.watch = watch
    }

    package func has(_ code: OrchestrationCode) -> Bool { registry.orchestration(code) != nil }

    package func makeSession(
        _ code: OrchestrationCode, version: String?, instanceID: InstanceID, executionID: ExecutionID,
        patches: Set<String>, onEscape: @escaping @Sendable () -> Void
    ) -> (any OrchestrationSession)? {
        guard let orchestration = registry.orchestration(code) else { return nil }
        var options = options
        options.onEscape = onEscape
        let session = NativeOrchestration(
            orchestration: orchestration, version: version, instanceID: instanceID, executionID: executionID,
            patches: patches, options: options)
        guard let watch else { return session }
        return WatchedSession(session, of: instanceID, code, watch: watch)
    }

    package func perform(
        _ operation: EntityTurn.Operation, on id: EntityID, state: Payload?, at now: Timestamp
    ) -> EntityOutcome? {
        registry.entity(named: id.name)?.perform(operation, on: id, state: state, at: now)
    }

    package func hasEntity(named name: String) -> Bool { registry.entity(named: name) != nil }
}

extension NativeOrchestration: OrchestrationSession {}
