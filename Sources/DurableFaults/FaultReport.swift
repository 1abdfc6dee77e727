import DurableCore
import Foundation

/// What one fault's run prints: a ledger for people, then one line of JSON.
package struct FaultReport {
    package var fault: String
    package var workers: Int
    package var seconds: Double
    package var loadAverage: String
    package var evidence: Evidence
    package var verdict: Verdict
    package var timing: Timing
    /// What the fault found out by itself.
    package var notes: [String]
    /// What went wrong that no ledger shows.
    package var failures: [String]

    package init(
        fault: String, workers: Int, seconds: Double, loadAverage: String, evidence: Evidence, verdict: Verdict,
        timing: Timing, notes: [String], failures: [String]
    ) {
        self.fault = fault
        self.workers = workers
        self.seconds = seconds
        self.loadAverage = loadAverage
        self.evidence = evidence
        self.verdict = verdict
        self.timing = timing
        self.notes = notes
        self.failures = failures
    }

    /// Nothing was lost, doubled or repeated without reason, every partition was served again, and nothing else failed.
    package var isGood: Bool { verdict.isGood && timing.unserved == 0 && failures.isEmpty }

    package var text: String {
        var lines = ["== \(fault)"]
        func row(_ name: String, _ value: String) {
            lines.append(name + String(repeating: " ", count: max(1, 30 - name.count)) + value)
        }
        row("submitted", "\(verdict.submitted)")
        row("completed", "\(verdict.completed)")
        row("failed", "\(verdict.failed)")
        row("lost", list(verdict.lost.map(\.value)))
        row("doubled outcomes", list(verdict.doubled))
        row("activities asked for", "\(verdict.activities)")
        row("activity runs", "\(verdict.activityRuns)")
        row("runs nobody asked for", list(verdict.strayRuns.map(\.key)))
        row("repeated runs", "\(verdict.repeats.count)")
        row("  unexplained", "\(verdict.unexplainedRepeats)")
        for (reason, repeats) in Dictionary(
            grouping: verdict.repeats, by: { $0.reason.map(Self.kind) ?? "unexplained" }
        )
        .sorted(by: { $0.key < $1.key }) {
            row("  \(repeats.count) times", reason)
        }
        for item in verdict.repeats where item.reason == nil {
            lines.append(
                "  \(item.run.key): worker \(item.before.worker) from \(item.before.began) to "
                    + "\(item.before.ended.map(\.description) ?? "(no end)"), again worker \(item.run.worker) from "
                    + "\(item.run.began), delivery \(item.run.deliveryCount)")
        }
        row("faults", "\(evidence.faultCount)")
        row("longest time without progress", "\(timing.longestStall / .milliseconds(1)) ms")
        row("takeovers", summary(timing.takeovers))
        if !timing.takeoversOfSeveral.isEmpty { row("  of several at a time", summary(timing.takeoversOfSeveral)) }
        if !timing.recoveries.isEmpty { row("  until stand-bys are there", summary(timing.recoveries)) }
        if timing.unserved > 0 { row("  never served again", "\(timing.unserved)") }
        row("hand-overs", summary(timing.handovers))
        if !timing.resumptions.isEmpty {
            row("from its end to next run", summary(timing.resumptions))
        }
        for note in notes { row("note", note) }
        for failure in failures { row("failure", failure) }
        row("seconds, load average", "\(String(format: "%.1f", seconds)), \(loadAverage)")
        return lines.joined(separator: "\n")
    }

    private static func kind(of reason: String) -> String {
        // Without the process IDs, which differ each time.
        reason.split(separator: " ").filter { Int($0.filter(\.isNumber)) == nil }.joined(separator: " ")
    }

    private func list(_ items: [String]) -> String {
        items.isEmpty ? "0" : "\(items.count): " + items.prefix(10).joined(separator: ", ")
    }

    private func summary(_ durations: [Duration]) -> String {
        guard let half = durations.percentile(0.5), let most = durations.percentile(0.99),
            let all = durations.percentile(1)
        else { return "none" }
        return "\(durations.count), median \(half) ms, p99 \(most) ms, longest \(all) ms"
    }

    /// Keys are stable; values that do not apply are null.
    package var json: String {
        var fields: [(String, String)] = [("fault", "\"\(fault)\"")]
        func add(_ key: String, _ value: Int?) { fields.append((key, value.map(String.init) ?? "null")) }
        add("workers", workers)
        add("submitted", verdict.submitted)
        add("completed", verdict.completed)
        add("failed", verdict.failed)
        add("lost", verdict.lost.count)
        add("doubled", verdict.doubled.count)
        add("activities", verdict.activities)
        add("activity_runs", verdict.activityRuns)
        add("stray_runs", verdict.strayRuns.count)
        add("repeated_runs", verdict.repeats.count)
        add("unexplained_repeats", verdict.unexplainedRepeats)
        add("faults", evidence.faultCount)
        add("longest_stall_ms", Int(timing.longestStall / .milliseconds(1)))
        add("takeovers", timing.takeovers.count)
        add("takeover_ms_p50", timing.takeovers.percentile(0.5))
        add("takeover_ms_p99", timing.takeovers.percentile(0.99))
        add("takeover_ms_max", timing.takeovers.percentile(1))
        add("takeover_of_several_ms_max", timing.takeoversOfSeveral.percentile(1))
        add("standby_ms_p50", timing.recoveries.percentile(0.5))
        add("standby_ms_max", timing.recoveries.percentile(1))
        add("unserved", timing.unserved)
        add("handovers", timing.handovers.count)
        add("handover_ms_p50", timing.handovers.percentile(0.5))
        add("handover_ms_p99", timing.handovers.percentile(0.99))
        add("resume_ms_max", timing.resumptions.percentile(1))
        add("failures", failures.count)
        fields.append(("seconds", String(format: "%.1f", seconds)))
        fields.append(("load_average", loadAverage))
        fields.append(("ok", isGood ? "true" : "false"))
        return "{" + fields.map { "\"\($0)\":\($1)" }.joined(separator: ",") + "}"
    }
}
