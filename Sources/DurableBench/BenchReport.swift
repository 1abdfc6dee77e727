import Foundation

/// Everything one run found. Keys of its JSON form are stable; what does not apply is null.
struct BenchReport: Encodable {
    struct Round: Encodable {
        /// Orchestrations or activities.
        var count: Int
        var seconds: Double
        var perSecond: Double
        var cpuSeconds: Double

        init(count: Int, seconds: Double, cpuSeconds: Double) {
            self.count = count
            self.seconds = seconds
            self.cpuSeconds = cpuSeconds
            perSecond = Double(count) / seconds
        }

        enum CodingKeys: String, CodingKey {
            case count, seconds
            case perSecond = "per_second"
            case cpuSeconds = "cpu_seconds"
        }
    }

    var bench: String
    /// What is counted: `orchestrations` or `activities`.
    var unit: String
    var instances: Int
    var activities: Int
    var workers: Int
    var partitions: Int
    var cacheMebibytes: Int
    /// Median of the rounds.
    @OrNull var perSecond: Double?
    @OrNull var p50: Double?
    @OrNull var p99: Double?
    /// User and system time of this process (workers, client and all) for each orchestration; microseconds.
    @OrNull var cpuMicroseconds: Double?
    var rounds: [Round] = []
    @OrNull var residentBefore: Int?
    @OrNull var residentBytes: Int?
    @OrNull var cachedBytes: Int?
    @OrNull var cachedInstances: Int?
    @OrNull var rawMessagesPerSecond: Double?
    var rawMessagesRounds: [Double] = []
    var rawMessageBytes: Int
    @OrNull var rawConfirm: Double?
    @OrNull var rawStoreRecords: Double?
    @OrNull var rawStoreChanges: Double?
    /// Messages the engine must send for what it did, a second, to messages of the raw broker a second.
    @OrNull var ratioToRaw: Double?
    @OrNull var broker: String?
    @OrNull var commit: String?
    var build = Self.buildKind
    var cores = ProcessInfo.processInfo.activeProcessorCount
    var swift = Self.compiler

    init(_ settings: BenchSettings, rawMessageBytes: Int) {
        bench = settings.kind.rawValue
        unit = settings.kind == .fanout ? "activities" : "orchestrations"
        instances = settings.instances
        activities = settings.activities
        workers = settings.workers
        partitions = settings.partitions
        cacheMebibytes = settings.cacheMebibytes
        self.rawMessageBytes = rawMessageBytes
    }

    /// Fills in what follows from the rounds.
    ///
    /// - Parameter latencies: Of single instances, in milliseconds.
    mutating func conclude(_ settings: BenchSettings, latencies: [Double]) {
        perSecond = rounds.map(\.perSecond).median
        p50 = latencies.percentile(0.5)
        p99 = latencies.percentile(0.99)
        let orchestrations = Double(settings.instances * rounds.count)
        cpuMicroseconds = rounds.reduce(0) { $0 + $1.cpuSeconds } * 1e6 / orchestrations
        residentBytes = residentBytes ?? ProcessUsage.residentBytes
        rawMessagesPerSecond = rawMessagesRounds.median
        // A start and, for each activity, a task and its completion; beside 500 activities the start does not count.
        let messages = settings.kind == .fanout ? 2 : 1 + 2 * settings.activities
        if settings.kind == .sequence || settings.kind == .fanout, let perSecond, let rawMessagesPerSecond {
            ratioToRaw = perSecond * Double(messages) / rawMessagesPerSecond
        }
    }

    enum CodingKeys: String, CodingKey {
        case bench, unit, instances, activities, workers, partitions, rounds, broker, commit, build, cores, swift
        case cacheMebibytes = "cache_mib"
        case perSecond = "per_second"
        case p50 = "p50_ms"
        case p99 = "p99_ms"
        case cpuMicroseconds = "worker_cpu_us"
        case residentBefore = "rss_before_bytes"
        case residentBytes = "rss_bytes"
        case cachedBytes = "cached_bytes"
        case cachedInstances = "cached_instances"
        case rawMessagesPerSecond = "raw_messages_per_second"
        case rawMessagesRounds = "raw_messages_rounds"
        case rawMessageBytes = "raw_message_bytes"
        case rawConfirm = "raw_confirm_p50_ms"
        case rawStoreRecords = "raw_store_records_per_second"
        case rawStoreChanges = "raw_store_changes_per_second"
        case ratioToRaw = "ratio_to_raw"
    }

    /// One line, keys in order of the alphabet.
    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    /// For people: a name and a value each, those that do not apply left out.
    var lines: [String] {
        func number(_ value: Double?, _ digits: Int = 0) -> String? { value.map { String(format: "%.\(digits)f", $0) } }
        func mebibytes(_ bytes: Int?) -> String? { number(bytes.map { Double($0) / 1_048_576 }, 1).map { $0 + " MiB" } }
        let fields: [(String, String?)] = [
            ("bench", "\(bench): \(instances) x \(activities) activities, \(rounds.count) rounds"),
            ("workers, partitions", "\(workers), \(partitions)"),
            ("\(unit)/s", number(perSecond)),
            ("  each round", rounds.map { number($0.perSecond) ?? "" }.joined(separator: " ")),
            ("p50 / p99 ms", p50.flatMap { p50 in p99.map { String(format: "%.1f / %.1f", p50, $0) } }),
            ("CPU us/orchestration", number(cpuMicroseconds)),
            ("resident memory before", mebibytes(residentBefore)),
            ("resident memory", mebibytes(residentBytes)),
            ("cached instances", cachedInstances.map(String.init)),
            ("cached memory, estimated", mebibytes(cachedBytes)),
            ("raw broker messages/s", number(rawMessagesPerSecond)),
            ("  each round", rawMessagesRounds.map { number($0) ?? "" }.joined(separator: " ")),
            ("raw confirm p50 ms", number(rawConfirm, 2)),
            ("raw store records/s", number(rawStoreRecords)),
            ("raw store changes/s", number(rawStoreChanges)),
            ("ratio to raw broker", number(ratioToRaw, 3)),
            ("broker", broker), ("commit", commit), ("build, cores", "\(build) Swift \(swift), \(cores)"),
        ]
        let width = fields.map(\.0.count).max() ?? 0
        return fields.compactMap { name, value in
            value.map { name.padding(toLength: width + 2, withPad: " ", startingAt: 0) + $0 }
        }
    }

    static var buildKind: String {
        #if DEBUG
            "debug"
        #else
            "release"
        #endif
    }

    /// The compiler this was built with, as far as code can tell.
    static var compiler: String {
        #if compiler(>=6.4)
            "6.4 or later"
        #elseif compiler(>=6.3)
            "6.3"
        #else
            "6.2"
        #endif
    }
}

/// A value whose key is always there, as null when it is nil.
@propertyWrapper struct OrNull<Value: Encodable & Sendable>: Encodable, Sendable {
    var wrappedValue: Value?

    init(wrappedValue: Value? = nil) { self.wrappedValue = wrappedValue }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let wrappedValue { try container.encode(wrappedValue) } else { try container.encodeNil() }
    }
}
