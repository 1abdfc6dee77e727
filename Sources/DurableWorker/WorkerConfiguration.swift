package import DurableEngine

/// What one worker process does and how much of it.
package struct WorkerConfiguration: Sendable {
    package var runsOrchestrations = true
    package var runsActivities = true
    /// Activities that run at a time, all names together.
    package var slots = 32
    /// How long running activities may go on after a stop was asked for.
    package var gracePeriod = Duration.seconds(30)
    package var heartbeatInterval = Duration.seconds(2)
    /// How long to hear other workers before taking partitions, so that a fleet that starts together shares them.
    package var settlingTime = Duration.milliseconds(500)
    /// How long an owner keeps a partition that another worker should have.
    package var minimumTenure = Duration.seconds(10)
    /// Threads that partitions share.
    package var partitionThreads = 2
    package var buildVersion = "dev"
    /// Whether to ship episodes of code this worker lacks, and to run those of others.
    package var sharesCode = true
    package var engine = EngineConfiguration()

    package init() {}
}
