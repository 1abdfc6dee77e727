#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Where partition processors run: one job at a time, in order of arrival.
package protocol PartitionExecutor: SerialExecutor {
    /// Nothing is enqueued any more once what is queued has run.
    func stop()
}

/// One dedicated thread that runs partition processors: SQLite calls and orchestrator code run inline on it, off
/// Swift's cooperative pool. Several partitions may share one; a partition never leaves its thread.
package final class PartitionThread: PartitionExecutor, @unchecked Sendable {  // state is guarded by `mutex`
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var jobs: [UnownedJob] = []
    private var isStopping = false
    private var thread = pthread_t()

    package init() {
        mutex = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        pthread_mutex_init(mutex, nil)
        condition = .allocate(capacity: 1)
        condition.initialize(to: pthread_cond_t())
        pthread_cond_init(condition, nil)
        // The thread keeps the object alive until `stop()`.
        let box = Unmanaged.passRetained(self)
        let status = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<PartitionThread>.fromOpaque(argument).takeRetainedValue().runLoop()
                return nil
            }, box.toOpaque())
        precondition(status == 0, "the system must be able to start a thread (pthread_create: \(status))")
        pthread_detach(thread)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let unowned = UnownedJob(job)
        pthread_mutex_lock(mutex)
        jobs.append(unowned)
        let wasIdle = jobs.count == 1
        pthread_mutex_unlock(mutex)
        if wasIdle { pthread_cond_signal(condition) }
    }

    package func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    /// Ends the thread once what is queued has run. Call when no actor uses it any more.
    package func stop() {
        pthread_mutex_lock(mutex)
        isStopping = true
        pthread_mutex_unlock(mutex)
        pthread_cond_signal(condition)
    }

    private func runLoop() {
        let executor = asUnownedSerialExecutor()
        while true {
            pthread_mutex_lock(mutex)
            while jobs.isEmpty && !isStopping { pthread_cond_wait(condition, mutex) }
            let batch = jobs
            jobs = []
            let mustEnd = isStopping && batch.isEmpty
            pthread_mutex_unlock(mutex)
            if mustEnd { return }
            for job in batch { job.runSynchronously(on: executor) }
        }
    }
}
