package import DurableCore

/// What a worker can run: activities by name, orchestrations by name and version.
///
/// ```swift
/// let registry = try Registry(sayHello, helloCities)
/// ```
public struct Registry: Sendable {
    private var activities: [String: AnyActivity] = [:]
    private var orchestrations: [OrchestrationCode: AnyOrchestration] = [:]
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
    /// In order of name, each once.
    package var orchestrationNames: [String] { Set(orchestrations.keys.map(\.name)).sorted() }
    /// In order of name and version.
    package var orchestrationCodes: [OrchestrationCode] { orchestrations.keys.sorted() }

    /// In order.
    package var entityNames: [String] { entities.keys.sorted() }

    package func activity(named name: String) -> AnyActivity? { activities[name] }
    package func entity(named name: String) -> AnyEntity? { entities[name] }
    /// Registered under exactly that name and version; nil stands for code registered without one.
    package func orchestration(_ code: OrchestrationCode) -> AnyOrchestration? { orchestrations[code] }

    /// What an instance of that version runs on here.
    ///
    /// - Parameter author: Of the last episode of its execution; nil: none, or it is not known.
    package func orchestration(
        named name: String, version: String? = nil, author: EpisodeAuthor? = nil
    ) -> AnyOrchestration? {
        for code in OrchestrationCode.candidates(name, version: version, author: author) {
            if let found = orchestrations[code] { return found }
        }
        return nil
    }

    /// A new instance in memory, nothing run yet.
    ///
    /// - Parameters:
    ///   - author: Of the last episode of the history to be replayed; nil: none, or it is not known.
    ///   - patches: Those that the history to be replayed has recorded.
    /// - Returns: nil when no orchestration of that name, for that version, is registered.
    package func makeSession(
        name: String, version: String?, author: EpisodeAuthor? = nil, instanceID: InstanceID, executionID: ExecutionID,
        patches: Set<String>, options: NativeOrchestration.Options = .init()
    ) -> NativeOrchestration? {
        guard let orchestration = orchestration(named: name, version: version, author: author) else { return nil }
        return NativeOrchestration(
            orchestration: orchestration, version: version, instanceID: instanceID, executionID: executionID,
            patches: patches, options: options)
    }

    mutating func add(_ activity: AnyActivity) throws(RegistryError) {
        try Self.check(activity.name, "activity")
        if activities[activity.name] != nil {
            throw RegistryError(
                code: .duplicateName,
                message: "two activities are named \"\(activity.name)\"; each needs a name of its own, since histories "
                    + "know it by that name alone")
        }
        activities[activity.name] = activity
    }

    mutating func add(_ orchestration: AnyOrchestration) throws(RegistryError) {
        try Self.check(orchestration.name, "orchestration")
        if let defect = orchestration.version.flatMap(OrchestrationCode.defect(ofVersion:)) {
            throw RegistryError(code: .invalidVersion, message: "orchestration \"\(orchestration.name)\": \(defect)")
        }
        if orchestrations[orchestration.code] != nil {
            throw RegistryError(
                code: .duplicateName,
                message:
                    "two orchestrations are named \(orchestration.code); each needs a name or a version of its own, "
                    + "since histories know it by these alone")
        }
        orchestrations[orchestration.code] = orchestration
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
        try Self.check(operation.name, "operation")
        if entity.operations[operation.name] != nil {
            throw RegistryError(
                code: .duplicateName,
                message:
                    "two operations of entity \"\(name)\" are named \"\(operation.name)\"; each needs a name of its own"
            )
        }
        entity.add(operation)
        entities[name] = entity
    }

    private static func check(_ name: String, _ kind: String) throws(RegistryError) {
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
        private enum Value { case duplicateName, invalidName, invalidVersion }
        private let value: Value
        /// Two activities have one name, or two orchestrations one name and version.
        public static let duplicateName = Code(value: .duplicateName)
        /// A name is empty, longer than 128 bytes, or has control characters.
        public static let invalidName = Code(value: .invalidName)
        /// A version is empty, longer than 64 bytes, or has control characters.
        public static let invalidVersion = Code(value: .invalidVersion)
    }

    /// What is wrong.
    public let code: Code
    /// With the name, and what is allowed.
    public let message: String
    public var description: String { message }
}
