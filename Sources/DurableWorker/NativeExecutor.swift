package import DurableCore
package import DurableEngine
package import DurableTask
import Logging

/// Runs the orchestrations this worker registered.
package struct NativeExecutor: EpisodeExecutor {
    private let registry: Registry
    private let options: NativeOrchestration.Options

    package init(registry: Registry, options: NativeOrchestration.Options) {
        self.registry = registry
        self.options = options
    }

    package func makeSession(
        name: String, version: String?, instanceID: InstanceID, executionID: ExecutionID, patches: Set<String>,
        onEscape: @escaping @Sendable () -> Void
    ) -> (any OrchestrationSession)? {
        var options = options
        options.onEscape = onEscape
        return registry.makeSession(
            name: name, version: version, instanceID: instanceID, executionID: executionID, patches: patches,
            options: options)
    }

    package func perform(
        _ operation: EntityTurn.Operation, on id: EntityID, state: Payload?, at now: Timestamp
    ) -> EntityOutcome? {
        registry.entity(named: id.name)?.perform(operation, on: id, state: state, at: now)
    }

    package func hasEntity(named name: String) -> Bool { registry.entity(named: name) != nil }
}

extension NativeOrchestration: OrchestrationSession {}
