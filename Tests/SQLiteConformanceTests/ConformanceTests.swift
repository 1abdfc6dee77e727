import DurableBackend
import DurableConformance
import DurableCore
import DurableSQLite
import Testing

@Suite("SQLite conformance") struct SQLiteConformanceTests {
    @Test("The log obeys", arguments: LogRule.allCases)
    func log(obeys rule: LogRule) async throws {
        try await rule.verify { KeptStorage(hub: try TemporaryHub()) }
    }

    @Test("The store obeys", arguments: StoreRule.allCases)
    func store(obeys rule: StoreRule) async throws {
        try await rule.verify { KeptStorage(hub: try TemporaryHub()) }
    }

    @Test("The epoch authority obeys", arguments: EpochRule.allCases)
    func epochs(obey rule: EpochRule) async throws {
        try await rule.verify {
            let hub = try TemporaryHub()
            return { try SQLiteEpochAuthority(descriptor: hub.descriptor, directory: hub.directory) }
        }
    }
}
