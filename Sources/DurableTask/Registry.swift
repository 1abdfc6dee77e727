package import DurableCore

/// What a worker can run, by name.
///
/// ```swift
/// let registry = try Registry(sayHello, helloCities)
/// ```
public struct Registry: Sendable {
    private var activities: [String: AnyActivity] = [:]
    private var orchestrations: [String: AnyOrchestration] = [:]
    private var entities: [String: AnyEntity] = [:]

    /// Nothing yet.
    public init() {}

    /// - Throws: Two of one kind share a name, or a name cannot be used.
    public init(_ items: any Registrable...) throws(RegistryError) {
        for item in items { try item.register(in: &self) }
    }

    /// - Throws: One of that kind and name is there already, or the name cannot be used; the registry is unchanged.
    public mutating func register(_ item: some Registrable) throws(RegistryError) {
        try item.register(in: &self)
    }

    /// In order of name.
    package var activityNames: [String] { activities.keys.sorted() }
    /// In order of name.
    package var orchestrationNames: [String] { orchestrations.keys.sorted() }
    /// In order.
    package var entityNames: [String] { entities.keys.sorted() }

    package func activity(named name: String) -> AnyActivity? { activities[name] }
    package func entity(named name: String) -> AnyEntity? { entities[name] }
    package func orchestration(named name: String) -> AnyOrchestration? { orchestrations[name] }

    /// A new instance in memory, nothing run yet.
    ///
    /// - Parameter patches: Those that the history to be replayed has recorded.
    /// - Returns: nil when no orchestration of that name is registered.
    package func makeSession(
        name: String, version: String?, instanceID: InstanceID, executionID: ExecutionID, patches: Set<String>,
        options: NativeOrchestration.Options = .init()
    ) -> NativeOrchestration? {
        guard let orchestration = orchestrations[name] else { return nil }
        return NativeOrchestration(
            orchestration: orchestration, version: version, instanceID: instanceID, executionID: executionID,
            patches: patches, options: options)
    }

    mutating func add(_ activity: AnyActivity) throws(RegistryError) {
        try Self.check(activity.name, "activity", isTaken: activities[activity.name] != nil)
        activities[activity.name] = activity
    }

    mutating func add(_ orchestration: AnyOrchestration) throws(RegistryError) {
        try Self.check(orchestration.name, "orchestration", isTaken: orchestrations[orchestration.name] != nil)
        orchestrations[orchestration.name] = orchestration
    }

    mutating func add(_ operation: AnyEntityOperation) throws(RegistryError) {
        let name = operation.entityName
        if let defect = EntityID.defect(ofName: name) {
            throw RegistryError(code: .invalidName, message: "\"\(name)\" cannot name an entity: \(defect)")
        }
        var entity = entities[name] ?? AnyEntity(operation)
        if entity.stateType != operation.stateType {
            throw RegistryError(
                code: .duplicateName,
                message:
                    "two entities with states of different types are named \"\(name)\"; each needs a name of its own")
        }
        try Self.check(operation.name, "operation", isTaken: entity.operations[operation.name] != nil)
        entity.add(operation)
        entities[name] = entity
    }

    private static func check(_ name: String, _ kind: String, isTaken: Bool) throws(RegistryError) {
        if isTaken {
            throw RegistryError(
                code: .duplicateName,
                message: "two \(kind == "activity" ? "activities" : "\(kind)s") are named \"\(name)\"; "
                    + "each needs a name of its own, since histories know it by that name alone")
        }
        // Part of queue names, which have at most 255 bytes.
        if name.isEmpty || name.utf8.count > 128 || name.unicodeScalars.contains(where: \.isControl) {
            throw RegistryError(
                code: .invalidName,
                message: "\"\(name)\" cannot name an \(kind): a name has 1 to 128 bytes and no control characters")
        }
    }
}

/// What can be registered: an activity, an orchestration, or a type of yours that registers several.
public protocol Registrable: Sendable {
    /// Adds what it consists of, each part with `registry.register`.
    ///
    /// - Throws: One of that kind and name is there already, or a name cannot be used.
    func register(in registry: inout Registry) throws(RegistryError)
}

extension Activity: Registrable {
    public func register(in registry: inout Registry) throws(RegistryError) {
        try registry.add(AnyActivity(self))
    }
}

extension Orchestration: Registrable {
    public func register(in registry: inout Registry) throws(RegistryError) {
        try registry.add(AnyOrchestration(self))
    }
}

/// Why something could not be registered.
public struct RegistryError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong. The list may grow with new versions.
    public struct Code: Hashable, Sendable {
        private enum Value { case duplicateName, invalidName }
        private let value: Value
        /// Two activities, or two orchestrations, have one name.
        public static let duplicateName = Code(value: .duplicateName)
        /// A name is empty, longer than 128 bytes, or has control characters.
        public static let invalidName = Code(value: .invalidName)
    }

    /// What is wrong.
    public let code: Code
    /// With the name, and what is allowed.
    public let message: String
    public var description: String { message }
}
