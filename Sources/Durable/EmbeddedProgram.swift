import DurableCLI
import DurableClient
import DurableCore
import DurableJSON
import DurablePayloads
import DurableTask
import DurableWorker
import Foundation

/// What a worker program does with `--embedded`.
struct EmbeddedProgram {
    var directory: String
    var submit: String?
    var settings: WorkerSettings
    var payloads: PayloadOptions

    func run(_ registry: Registry) async throws {
        let path = URL(fileURLWithPath: directory).standardizedFileURL.path
        let requests = try submit.map(Self.requests)
        let hub = try await TaskHub.embedded(
            path: path, registry: registry, configuration: settings.configuration, payloads: payloads,
            logger: settings.logger)
        let stopRequested = AsyncStream.makeStream(of: Void.self)
        let receipt = try await ProcessSignals.whileHandled(stop: { stopRequested.continuation.finish() }) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { for await _ in stopRequested.stream {} }
                if let requests { group.addTask { try await Self.complete(requests, on: hub) } }
                // Whichever is first: the signal, or the end of the work.
                defer { group.cancelAll() }
                do {
                    try await group.next()
                } catch {
                    _ = try await hub.shutDown()
                    throw error
                }
                return try await hub.shutDown()
            }
        }
        if submit == nil { print(receipt.json) }
    }

    private static func requests(in file: String) throws -> [StartRequest] {
        let data =
            file == "-"
            ? FileHandle.standardInput.readDataToEndOfFile() : try Data(contentsOf: URL(fileURLWithPath: file))
        return try data.split(separator: UInt8(ascii: "\n")).enumerated().map { index, line in
            do {
                let request = try StartRequest(batchLine: Array(line), defaultName: nil)
                // Without an ID a restart could not tell what it had started.
                guard request.id != nil else { throw Worker.Failure("no id") }
                return request
            } catch {
                throw Worker.Failure("\(file): line \(index + 1): \(error)")
            }
        }
    }

    /// Starts the instances and prints every result. Those that are there already are waited for.
    private static func complete(_ requests: [StartRequest], on hub: TaskHub) async throws {
        // A start counts once its owner answered: queues in memory do not survive the process.
        try await inParallel(requests) { request in _ = try await hub.core.start(request) }
        // Whoever reads may be slow: not on the threads that the hub runs on.
        let output = DispatchQueue(label: "dtq.output")
        try await inParallel(requests) { request in
            guard let id = request.id, let snapshot = try await hub.client.waitForEnd(of: id) else { return }
            let line = Self.json(snapshot).text
            output.async {
                print(line)
                // Wanted now, not when the buffer is full.
                fflush(nil)
            }
        }
        await withCheckedContinuation { end in output.async { end.resume() } }
    }

    private static func json(_ snapshot: InstanceSnapshot) -> JSONValue {
        [
            "id": .string(snapshot.id.value), "status": .string(snapshot.status.description),
            "output": .payload(snapshot.output),
            "failure": .optional(snapshot.failure, JSONValue.failure),
        ]
    }

    private static func inParallel(
        _ requests: [StartRequest], _ body: @escaping @Sendable (StartRequest) async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, request) in requests.enumerated() {
                if index >= 64 { try await group.next() }
                group.addTask { try await body(request) }
            }
            try await group.waitForAll()
        }
    }
}
