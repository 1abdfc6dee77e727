import Foundation

/// What this process has used.
enum ProcessUsage {
    /// Processor time of all threads, user and system.
    static var cpuSeconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// Resident memory; nil where the system does not say.
    static var residentBytes: Int? {
        // Second field of statm: pages in memory. proc(5).
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return nil }
        let fields = text.split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else { return nil }
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
}

extension Duration {
    var inSeconds: Double { self / .seconds(1) }
}

extension [Double] {
    /// Value at or below which `share` of all lie (nearest rank); nil when there are none.
    func percentile(_ share: Double) -> Double? {
        let rank = Int((share * Double(count)).rounded(.up))
        return isEmpty ? nil : sorted()[Swift.max(0, rank - 1)]
    }

    /// Mean of the two in the middle for an even count; nil when there are none.
    var median: Double? {
        let sorted = sorted()
        return isEmpty ? nil : (sorted[(count - 1) / 2] + sorted[count / 2]) / 2
    }
}
