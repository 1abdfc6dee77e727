/// Code of an orchestration as it is registered, or as an instance asks for it: its name, with or without a version.
package struct OrchestrationCode: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var name: String
    /// nil: registered without one, which takes instances of any version; or an instance that has none.
    package var version: String?

    package init(name: String, version: String? = nil) {
        self.name = name
        self.version = version
    }

    /// The code that may run an execution, best first: what began it goes on with it.
    ///
    /// Before its first episode, or when it is not known what ran that: code of the instance's version, then code
    /// registered without one. An execution that code of its version began is for such code alone; one that code without
    /// a version began stays with that while there is any.
    ///
    /// - Parameter author: Of its last episode.
    package static func candidates(_ name: String, version: String?, author: EpisodeAuthor?) -> [OrchestrationCode] {
        let any = OrchestrationCode(name: name)
        guard let version else { return [any] }
        let exact = OrchestrationCode(name: name, version: version)
        guard let author else { return [exact, any] }
        return author.version == nil ? [any, exact] : [exact]
    }

    package static func < (left: Self, right: Self) -> Bool {
        left.name == right.name ? (left.version ?? "") < (right.version ?? "") : left.name < right.name
    }

    /// Such as `"Order" version "2"`, for texts.
    package var description: String { "\"\(name)\"" + (version.map { " version \"\($0)\"" } ?? "") }

    /// Last part of the name of the queue its episodes are shipped through: `Order`, `Order.2`. Dots of the name are
    /// written as `%2E`, so that the first one begins the version. What would be too long for a queue's name is a hash.
    package var queueKey: String {
        var key = ""
        for character in name.unicodeScalars {
            switch character {
            case ".": key += "%2E"
            case "%": key += "%25"
            default: key.unicodeScalars.append(character)
            }
        }
        if let version { key += ".\(version)" }
        if key.utf8.count <= Self.longestQueueKey { return key }
        let hashes = ["a/", "b/"].map { String(FNV1a.hash("\($0)\(key)".utf8), radix: 16) }
        return "%" + hashes.joined(separator: "-")
    }

    /// Queue names have at most 255 bytes, a hub's name at most 64.
    private static var longestQueueKey: Int { 160 }

    /// Longest version, in bytes.
    package static var longestVersion: Int { 64 }

    /// Why `version` cannot be one; nil: it can.
    package static func defect(ofVersion version: String) -> String? {
        if (1...longestVersion).contains(version.utf8.count), !version.unicodeScalars.contains(where: \.isControl) {
            return nil
        }
        return "\"\(version)\" cannot be a version: it has 1 to \(longestVersion) bytes and no control characters"
    }
}

/// Which code wrote an episode.
public struct EpisodeAuthor: Hashable, Sendable {
    /// Build of the worker program, as `DTQ_BUILD` names it.
    public var build: String
    /// Version that the orchestration's code was registered with; nil: it was registered without one.
    public var version: String?

    /// Of what was recorded elsewhere, such as a fixture.
    public init(build: String, version: String? = nil) {
        self.build = build
        self.version = version
    }

    /// Within a sentence.
    package var text: String { "build \"\(build)\"" + (version.map { " (version \($0))" } ?? "") }
}
