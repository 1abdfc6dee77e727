/// A storage adapter broke a rule; the text says what was expected and what it did.
package struct StorageRuleViolation: Error, Hashable, Sendable, CustomStringConvertible {
    package var description: String
}

/// How storage rules look at what an adapter did.
enum StorageCheck {
    static func that(_ condition: Bool, _ text: @autoclosure () -> String) throws {
        if !condition { throw StorageRuleViolation(description: text()) }
    }

    static func equal<Value: Equatable>(_ actual: Value, _ expected: Value, _ what: String) throws {
        try that(actual == expected, "\(what): expected \(expected), got \(actual)")
    }

    /// Passes when `body` throws a `Failure` that `isExpected` accepts.
    static func throwing<Failure: Error>(
        _ what: String, _ isExpected: (Failure) -> Bool, _ body: () async throws -> Void
    ) async throws {
        do {
            try await body()
        } catch let error as Failure where isExpected(error) {
            return
        } catch {
            throw StorageRuleViolation(description: "\(what): threw \(error)")
        }
        throw StorageRuleViolation(description: "\(what): did not throw")
    }

    static func throwing<Failure: Error & Equatable>(
        _ what: String, _ expected: Failure, _ body: () async throws -> Void
    ) async throws {
        try await throwing("\(what), expected \(expected)", { $0 == expected }, body)
    }
}
