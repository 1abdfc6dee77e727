/// What a list asks of an instance's tags.
package struct TagFilter: Hashable, Sendable {
    package var key: String
    /// nil: any.
    package var value: String?

    package init(key: String, value: String? = nil) {
        self.key = key
        self.value = value
    }

    package func fits(_ tags: [ExecutionStarted.Tag]) -> Bool {
        tags.contains { tag in
            tag.key.utf8.elementsEqual(key.utf8) && (value.map { tag.value.utf8.elementsEqual($0.utf8) } ?? true)
        }
    }
}

extension [ExecutionStarted.Tag] {
    package static var countLimit: Int { 16 }
    /// Bytes as UTF-8.
    package static var keyLimit: Int { 64 }
    /// Bytes as UTF-8.
    package static var valueLimit: Int { 256 }

    /// In order of key, as they are kept.
    package init(_ tags: [String: String]) {
        self = tags.sorted { $0.key < $1.key }.map { ExecutionStarted.Tag(key: $0.key, value: $0.value) }
    }

    /// Why an instance cannot have these; nil when it can.
    package var defect: String? {
        if count > Self.countLimit { return "\(count) tags, an instance has at most \(Self.countLimit)" }
        for tag in self {
            let bytes = tag.key.utf8.count
            if bytes == 0 { return "a tag has an empty key" }
            if bytes > Self.keyLimit {
                return "the key of a tag has \(bytes) bytes, at most \(Self.keyLimit) are possible"
            }
            if tag.key.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f || $0 == UInt8(ascii: "=") }) {
                return "the key of a tag has a character it must not have (\"=\" or a control character)"
            }
            if tag.value.utf8.count > Self.valueLimit {
                return "the value of tag \"\(tag.key)\" has \(tag.value.utf8.count) bytes, at most "
                    + "\(Self.valueLimit) are possible"
            }
            if tag.value.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) {
                return "the value of tag \"\(tag.key)\" has a control character"
            }
        }
        return nil
    }
}
