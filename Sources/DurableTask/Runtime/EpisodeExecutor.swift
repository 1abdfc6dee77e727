import DurableCore
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A task executor that only collects jobs. They run when `run` is called, inline on the calling thread, first in
/// first out; `run` returns when none is left, that is, when every task of the orchestration is suspended or done.
///
/// One per instance. `enter` and `leave` bracket an episode and name the thread that owns it. A job enqueued by any
/// other thread, or outside an episode, can only come from an await on something that is not durable.
final class EpisodeExecutor: TaskExecutor, @unchecked Sendable {  // `jobs` and `head` belong to the owner thread
    /// The thread in the episode; 0 when there is none.
    private let owner = Atomic<UInt>(0)
    private var jobs: ContiguousArray<UnownedJob> = []
    private var head = 0

    private struct Foreign {
        var jobs: [UnownedJob] = []
        /// The instance is gone: what still comes back runs elsewhere and ends by itself.
        var isAbandoned = false
    }
    private let foreign = PlatformLock(Foreign())
    /// Whether `foreign` holds jobs; spares the lock where it matters.
    private let isForeignWaiting = Atomic<Bool>(false)
    private let onForeignJob: (@Sendable () -> Void)?

    /// - Parameter onForeignJob: Called by any thread when something comes back from an await that is not durable,
    ///   unless the instance is gone.
    init(onForeignJob: (@Sendable () -> Void)? = nil) { self.onForeignJob = onForeignJob }

    private static var thisThread: UInt {
        #if canImport(Darwin)
            UInt(bitPattern: pthread_self())
        #else
            UInt(pthread_self())
        #endif
    }

    /// True on the thread that runs the episode, while it runs.
    var isOwner: Bool { owner.load(ordering: .relaxed) == Self.thisThread }

    /// Owner thread only.
    var hasQueuedJobs: Bool { head < jobs.count }

    /// Whether something came back from an await that is not durable; it has not run.
    var hasForeignJobs: Bool { isForeignWaiting.load(ordering: .acquiring) }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        if isOwner {
            jobs.append(job)
            return
        }
        let isAbandoned = foreign.withLock { state in
            state.jobs.append(job)
            return state.isAbandoned
        }
        if isAbandoned { return runForeignJobsElsewhere() }
        isForeignWaiting.store(true, ordering: .releasing)
        onForeignJob?()
    }

    func enter() {
        let (entered, _) = owner.compareExchange(expected: 0, desired: Self.thisThread, ordering: .acquiring)
        precondition(entered, "one thread at a time runs the episodes of an instance")
    }

    func leave() { owner.store(0, ordering: .releasing) }

    /// Runs jobs until none is left. Between `enter` and `leave` only.
    func run() {
        let executor = asUnownedTaskExecutor()
        while head < jobs.count {
            let job = jobs[head]
            head += 1
            if head == jobs.count {
                jobs.removeAll(keepingCapacity: true)
                head = 0
            }
            job.runSynchronously(on: executor)
        }
    }

    /// After eviction: what still comes back from a non-durable await runs on a pool thread.
    func abandon() {
        let hasJobs = foreign.withLock { state in
            state.isAbandoned = true
            return !state.jobs.isEmpty
        }
        if hasJobs { runForeignJobsElsewhere() }
    }

    private func runForeignJobsElsewhere() {
        Task.detached {
            // One thread at a time, here too: the dying tasks share their instance's state.
            while !self.owner.compareExchange(
                expected: 0, desired: Self.thisThread, ordering: .acquiring
            ).exchanged { sched_yield() }
            defer { self.leave() }
            while true {
                let batch = self.foreign.withLock { state in
                    let batch = state.jobs
                    state.jobs = []
                    return batch
                }
                if batch.isEmpty { return }
                self.jobs.append(contentsOf: batch)
                self.run()
            }
        }
    }
}
