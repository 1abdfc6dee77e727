import Foundation

/// What `dtq bench recovery` found. Keys of its JSON form are stable.
struct RecoveryReport: Encodable {
    /// One take-over, in seconds.
    struct Moments: Encodable, CustomStringConvertible {
        /// From the start of the worker, or the death of the owner, until the baton was there.
        var baton: Double
        /// From there until the partition was served: claim, copy and log.
        var serving: Double
        /// From there until a question was answered.
        var answered: Double
        var total: Double

        var description: String {
            String(format: "baton %.3f s, serving %.3f s, answered %.3f s", baton, serving, answered)
        }

        enum CodingKeys: String, CodingKey {
            case baton = "baton_seconds"
            case serving = "serving_seconds"
            case answered = "answered_seconds"
            case total = "total_seconds"
        }
    }

    var bench = BenchKind.recovery.rawValue
    var instances: Int
    var cacheMebibytes: Int
    var isCold: Bool
    var logBytes = 0
    var logMessages = 0
    var snapshotBytes = 0
    /// Of the questions asked while the instances were started.
    var longestAnswerSeconds = 0.0
    /// Reading the stream without doing anything with it.
    var rawReadSeconds = 0.0
    var emptyDisk: [Moments] = []
    var warmStandby: [Moments] = []
    @OrNull var residentBytes: Int?
    var footer = BenchFooter()

    init(_ settings: BenchSettings) {
        instances = settings.instances
        cacheMebibytes = settings.cacheMebibytes
        isCold = settings.coldDirectory != nil
    }

    private var emptyDiskMedian: Double? { emptyDisk.map { $0.serving + $0.answered }.median }
    private var warmStandbyMedian: Double? { warmStandby.map(\.total).median }

    enum CodingKeys: String, CodingKey {
        case bench, instances
        case cacheMebibytes = "cache_mib"
        case isCold = "cold"
        case logBytes = "log_bytes"
        case logMessages = "log_messages"
        case snapshotBytes = "log_snapshot_bytes"
        case longestAnswerSeconds = "longest_answer_seconds"
        case rawReadSeconds = "raw_read_seconds"
        case emptyDisk = "empty_disk_rounds"
        case emptyDiskMedian = "empty_disk_seconds"
        case warmStandby = "warm_standby_rounds"
        case warmStandbyMedian = "warm_standby_seconds"
        case residentBytes = "rss_bytes"
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(bench, forKey: .bench)
        try container.encode(instances, forKey: .instances)
        try container.encode(cacheMebibytes, forKey: .cacheMebibytes)
        try container.encode(isCold, forKey: .isCold)
        try container.encode(logBytes, forKey: .logBytes)
        try container.encode(logMessages, forKey: .logMessages)
        try container.encode(snapshotBytes, forKey: .snapshotBytes)
        try container.encode(longestAnswerSeconds, forKey: .longestAnswerSeconds)
        try container.encode(rawReadSeconds, forKey: .rawReadSeconds)
        try container.encode(emptyDisk, forKey: .emptyDisk)
        try container.encode(emptyDiskMedian, forKey: .emptyDiskMedian)
        try container.encode(warmStandby, forKey: .warmStandby)
        try container.encode(warmStandbyMedian, forKey: .warmStandbyMedian)
        try container.encode(residentBytes, forKey: .residentBytes)
        try footer.encode(to: encoder)
    }

    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    /// For people.
    var lines: [String] {
        func seconds(_ value: Double?) -> String { value.map { String(format: "%.3f s", $0) } ?? "-" }
        func mebibytes(_ bytes: Int) -> String { String(format: "%.1f MiB", Double(bytes) / 1_048_576) }
        return [
            "bench               recovery: \(instances) instances, \(emptyDisk.count) rounds each\(isCold ? ", cold" : "")",
            "log                 \(mebibytes(logBytes)) in \(logMessages) messages, snapshot \(mebibytes(snapshotBytes))",
            "longest answer      \(seconds(longestAnswerSeconds)) while they were started",
            "raw read            \(seconds(rawReadSeconds))",
            "empty disk          \(seconds(emptyDiskMedian)) from the baton to the first answer",
        ] + emptyDisk.map { "  \($0)" } + [
            "warm standby        \(seconds(warmStandbyMedian)) from the kill to the first answer"
        ] + warmStandby.map { "  \($0)" } + footer.lines
    }
}

/// What a measurement ran on.
struct BenchFooter: Encodable {
    @OrNull var broker: String?
    @OrNull var commit: String?
    var build = BenchReport.buildKind
    var cores = ProcessInfo.processInfo.activeProcessorCount
    var swift = BenchReport.compiler

    var lines: [String] {
        [("broker", broker), ("commit", commit)].compactMap { name, value in
            value.map { name.padding(toLength: 20, withPad: " ", startingAt: 0) + $0 }
        } + ["build, cores        \(build) Swift \(swift), \(cores)"]
    }
}
