/// Names one entity: what it is, and which.
public struct EntityID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Of its definition: 1 to 100 bytes without `@` and control characters.
    public var name: String
    /// Unique among the entities of that name: no control characters; with the name at most 253 bytes.
    public var key: String

    /// Checked where it is used: there need not be such an entity.
    public init(name: String, key: String) {
        self.name = name
        self.key = key
    }

    /// `@name@key`: an entity is an instance of that ID.
    public var instanceID: InstanceID { InstanceID("@\(name)@\(key)") }

    /// In the order in which critical sections lock them.
    public static func < (left: Self, right: Self) -> Bool { left.instanceID < right.instanceID }

    public var description: String { instanceID.value }

    /// Says what is wrong with the ID, or nil when it may be used.
    package var defect: String? { Self.defect(ofName: name) ?? instanceID.defect }

    package static func defect(ofName name: String) -> String? {
        if name.isEmpty || name.utf8.count > 100 { return "an entity's name has 1 to 100 bytes" }
        if name.utf8.contains(UInt8(ascii: "@")) || name.unicodeScalars.contains(where: \.isControl) {
            return "an entity's name must not contain @ or control characters"
        }
        return nil
    }
}

extension InstanceID {
    /// Whether no orchestration may have it.
    package var isReserved: Bool { value.utf8.first == UInt8(ascii: "@") }

    /// Says why no orchestration may have the ID, or nil when one may.
    package var orchestrationDefect: String? {
        defect ?? (isReserved ? "an instance ID that begins with @ is an entity's, not an orchestration's" : nil)
    }

    /// The entity of that ID; nil: it is none.
    package var entity: EntityID? {
        guard isReserved else { return nil }
        let rest = value.dropFirst()
        guard let mark = rest.firstIndex(of: "@") else { return nil }
        let id = EntityID(name: String(rest[..<mark]), key: String(rest[rest.index(after: mark)...]))
        return id.defect == nil ? id : nil
    }
}
