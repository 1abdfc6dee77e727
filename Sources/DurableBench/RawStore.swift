import DurableBackend
import DurableCore
import DurableEngine
import DurableSQLite

/// What the log does without an engine: appends of one checkpoint each, durable on return, in a file of its own.
actor RawStore {
    private nonisolated let thread = PartitionThread()
    private let partition: OpenPartition
    private let epoch = Epoch(generation: 1, offset: 1)
    private let now = SystemClock().now()

    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// - Parameter directory: Absolute path of a new directory.
    init(hub: HubName, directory: String) async throws {
        let descriptor = HubDescriptor(
            hubID: "raw", hub: hub, partitionCount: 1, queueKind: .quorum, logMode: .local, dataDirectory: directory,
            createdAt: SystemClock().now())
        try SQLiteHubStorage().create(descriptor)
        partition = try SQLiteStorage(descriptor: descriptor, directory: directory).open(PartitionID(0))
        _ = try await partition.log.begin(.init(epoch: epoch, worker: WorkerID("raw"), time: now))
    }

    /// Appends for about half a second.
    ///
    /// - Parameter instances: Instances that each checkpoint changes.
    /// - Returns: Checkpoints/s.
    func checkpointsPerSecond(instances: Int) async throws -> Double {
        let record = BenchPrograms.checkpoint(instances: instances, at: now, epoch: epoch)
        var count = 0
        let clock = ContinuousClock()
        let start = clock.now
        while clock.now - start < .milliseconds(500) {
            try Task.checkCancellation()
            _ = try await partition.log.append([record], epoch: epoch)
            count += 1
        }
        return Double(count) / (clock.now - start).inSeconds
    }

    func close() {
        partition.store.close()
        thread.stop()
    }
}
