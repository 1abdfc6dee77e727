import DurableBackend
import DurableBench
import DurableCLI
import DurableClient
import DurableCore
import DurableSQLite
import Foundation
import Testing

@Suite("Bench", .timeLimit(.minutes(3))) struct BenchTests {
    static let broker = ProcessInfo.processInfo.environment["DTQ_TEST_AMQP_URL"]

    /// Runs `dtq bench` in this process.
    private func bench(
        _ arguments: [String], temporaryDirectory: String = NSTemporaryDirectory()
    ) async -> (status: Int32, output: String, errors: String) {
        let (output, errors) = (Lines(), Lines())
        let environment = CommandEnvironment(
            makeTransport: { _ in throw TransportError.closed }, hubStorage: SQLiteHubStorage(),
            makeCopies: { descriptor, directory throws(StoreError) in
                try SQLiteCopies(descriptor: descriptor, directory: directory)
            }, clock: SystemClock(),
            makeID: RandomID.make,
            variables: ["DTQ_BROKER": Self.broker ?? "", "DTQ_COMMIT": "abc1234", "TMPDIR": temporaryDirectory],
            workingDirectory: "/", terminal: .init(), writeOutput: output.add, writeError: errors.add,
            readInput: { nil }, readFile: { _ in [] })
        let status = await CommandRunner.run(BenchCommand.self, arguments: arguments, environment: environment)
        return (status, output.text, errors.text)
    }

    @Test("Sequence prints one JSON line with stable keys and leaves no files", .enabled(if: broker != nil))
    func sequenceJSON() async throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("dtq-test-\(RandomID.make())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let (status, output, errors) = await bench(
            ["sequence", "--instances", "20", "--rounds", "2", "--partitions", "2", "--baseline", "500", "--json"],
            temporaryDirectory: directory.path)
        try #require(status == 0, "\(errors)")
        let report = try #require(JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any])
        #expect(
            report.keys.sorted() == [
                "activities", "bench", "broker", "build", "cache_mib", "cached_bytes", "cached_instances", "commit",
                "cores", "instances", "p50_ms",
                "p99_ms", "partitions", "per_second", "ratio_to_raw", "raw_confirm_p50_ms", "raw_message_bytes",
                "raw_messages_per_second", "raw_messages_rounds", "raw_store_changes_per_second",
                "raw_store_records_per_second", "rounds", "rss_before_bytes", "rss_bytes", "swift", "unit",
                "worker_cpu_us", "workers",
            ])
        #expect(report["bench"] as? String == "sequence")
        #expect(report["unit"] as? String == "orchestrations")
        #expect(report["commit"] as? String == "abc1234")
        let rounds = try #require(report["rounds"] as? [[String: Any]])
        #expect(rounds.map { $0["count"] as? Int } == [20, 20])
        #expect(rounds.allSatisfy { $0.keys.sorted() == ["count", "cpu_seconds", "per_second", "seconds"] })
        #expect(output.filter { $0 == "\n" }.count == 1)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
    }

    @Test("Waiting instances are woken and counted in the cache", .enabled(if: broker != nil))
    func waitingJSON() async throws {
        let (status, output, errors) = await bench(
            ["waiting", "--instances", "150", "--partitions", "2", "--baseline", "500", "--json"])
        try #require(status == 0, "\(errors)")
        let report = try #require(JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any])
        #expect(report["cached_instances"] as? Int == 160)
        #expect(report["ratio_to_raw"] is NSNull)
        #expect(report["rss_before_bytes"] is Int)
    }

    @Test("A wrong argument is usage and touches no broker", arguments: [["nothing"], ["waiting", "--rounds", "2"]])
    func wrongArgument(_ arguments: [String]) async {
        let (status, output, _) = await bench(arguments)
        #expect(status == 2)
        #expect(output.isEmpty)
    }
}

/// Collects what a command writes.
private final class Lines: Sendable {
    private let lines = PlatformLock("")
    @Sendable func add(_ text: String) { lines.withLock { $0 += text } }
    var text: String { lines.withLock { $0 } }
}
