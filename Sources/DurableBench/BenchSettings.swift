import ArgumentParser
import DurableCore

/// What is measured.
enum BenchKind: String, CaseIterable, ExpressibleByArgument, Sendable {
    /// Many instances at a time, each a few activities one after the other.
    case sequence
    /// One instance at a time that runs many activities at once.
    case fanout
    /// One small instance at a time.
    case latency
    /// Very many instances that wait for an event.
    case waiting
    /// A partition of waiting instances that loses its owner.
    case recovery
}

/// One run, with every default filled in.
struct BenchSettings: Sendable {
    var kind: BenchKind
    var brokerURLs: [String]
    var instances: Int
    /// Of each instance.
    var activities: Int
    var rounds: Int
    var workers: Int
    var partitions: Int
    /// Bound of cached instances in MiB, per partition.
    var cacheMebibytes: Int
    /// Messages of one round of the raw broker.
    var baselineMessages: Int
    var logMode = HubDescriptor.LogMode.local
    /// What is below it leaves the page cache before each recovery; nil: nothing is done about the cache.
    var coldDirectory: String?
    /// Absolute path; the hub's files are made there.
    var temporaryDirectory: String

    /// - Parameters: nil takes the default of `kind`.
    init(
        kind: BenchKind, brokerURLs: [String], temporaryDirectory: String, instances: Int?, activities: Int?,
        rounds: Int?
    ) {
        self.kind = kind
        self.brokerURLs = brokerURLs
        self.temporaryDirectory = temporaryDirectory
        switch kind {
        case .sequence: (self.instances, self.activities, self.rounds) = (1000, 3, 5)
        case .fanout: (self.instances, self.activities, self.rounds) = (1, 500, 5)
        case .latency: (self.instances, self.activities, self.rounds) = (100, 3, 3)
        case .waiting: (self.instances, self.activities, self.rounds) = (100_000, 0, 1)
        case .recovery: (self.instances, self.activities, self.rounds) = (100_000, 0, 3)
        }
        self.instances = instances ?? self.instances
        self.activities = activities ?? self.activities
        self.rounds = rounds ?? self.rounds
        workers = kind == .recovery ? 0 : 1
        partitions = kind == .recovery ? 1 : 8
        if kind == .recovery { logMode = .replicated }
        cacheMebibytes = 64
        baselineMessages = 20_000
    }
}
