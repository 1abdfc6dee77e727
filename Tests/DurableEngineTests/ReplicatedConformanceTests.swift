import DurableBackend
import DurableConformance
import DurableCore
import DurableEngine
import DurableMemory
import DurableSQLite
import Foundation
import Testing

@Suite("Replicated log", .timeLimit(.minutes(5))) struct ReplicatedConformanceTests {
    @Test("The log in a stream obeys, also where the stream leaves offsets out", arguments: LogRule.allCases, [nil, 2])
    func log(obeys rule: LogRule, segmentMessages: Int?) async throws {
        try await rule.verify { try await ReplicatedHub(segmentMessages: segmentMessages).storage() }
    }

    @Test("A copy in memory obeys, with the log in a stream", arguments: StoreRule.allCases)
    func memoryCopy(obeys rule: StoreRule) async throws {
        try await rule.verify { try await ReplicatedHub().storage() }
    }

    @Test("A copy on disk obeys, with the log in a stream", arguments: StoreRule.allCases)
    func copyOnDisk(obeys rule: StoreRule) async throws {
        let directory = FileManager.default.temporaryDirectory.path + "/dtq-copies-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await rule.verify {
            let hub = try await ReplicatedHub()
            return hub.storage(copies: try SQLiteCopies(descriptor: hub.descriptor, directory: directory))
        }
    }
}
