import DurableCore
import Foundation

/// What clocks show in a time zone. Seconds count from 1970-01-01T00:00:00: UTC seconds there, local ones here.
struct WallClock {
    private let zone: TimeZone

    /// - Parameter identifier: Of the IANA time zone database, such as `Europe/Berlin`, or `UTC`.
    init(_ identifier: String) throws(InvalidSchedule) {
        guard let zone = TimeZone(identifier: identifier) else {
            throw InvalidSchedule(
                "\"\(identifier)\" is no time zone: use a name of the IANA database, such as Europe/Berlin, or UTC")
        }
        self.zone = zone
    }

    /// Seconds that local time is ahead of UTC.
    func offset(at second: Int64) -> Int64 {
        Int64(zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(second))))
    }

    /// When `local` is shown first. One that is skipped: the first instant after the gap.
    func instant(of local: Int64) -> Int64 {
        let (before, after) = (offset(at: local - Self.reach), offset(at: local + Self.reach))
        let early = local - before
        if before == after || offset(at: early) == before { return early }
        let late = local - after
        if offset(at: late) == after { return late }
        return change(from: local - Self.reach, to: local + Self.reach)
    }

    /// Goes from `start` to `target`, but not over a change of the offset.
    ///
    /// - Returns: `target`, or the first instant with another offset than at `start`.
    func advance(from start: Int64, to target: Int64) -> Int64 {
        offset(at: start) == offset(at: target) ? target : change(from: start, to: target)
    }

    /// - Returns: The offset all through a local day; nil: it may change.
    func fixedOffset(onLocalDay day: Int64) -> Int64? {
        let offset = offset(at: day * 86_400 - Self.reach)
        return offset == self.offset(at: (day + 1) * 86_400 + Self.reach) ? offset : nil
    }

    /// Local times are at most 14 hours from UTC.
    private static let reach: Int64 = 16 * 3600

    /// The first instant in `start`...`end` whose offset is another than at `start`; there must be one.
    private func change(from start: Int64, to end: Int64) -> Int64 {
        let old = offset(at: start)
        var (before, after) = (start, end)
        while after - before > 1 {
            let middle = before + (after - before) / 2
            if offset(at: middle) == old { before = middle } else { after = middle }
        }
        return after
    }
}

extension CronExpression {
    /// The first time after `second` (UTC) on `clock`.
    ///
    /// Where clocks are put forward, an expression that names hours runs at the first instant after the gap for what the
    /// gap skips; where they are put back, it runs once, the first time. One for every hour follows elapsed time: what is
    /// skipped is left out, what comes twice runs twice. That is what Vixie's cron does.
    ///
    /// - Returns: nil: none within 50 years.
    func next(after second: Int64, on clock: WallClock) -> Int64? {
        isHourly ? nextHourly(after: second, on: clock) : nextNamed(after: second, on: clock)
    }

    private static let horizon: Int64 = 50 * 366 * 86_400

    private func nextNamed(after second: Int64, on clock: WallClock) -> Int64? {
        // Local times in order give instants in order, equal ones in a gap. A day's times may be put off into the next.
        let today = (second + clock.offset(at: second)).flooredDivision(by: 86_400)
        for day in today - 1...today + Self.horizon / 86_400 where matches(day: day) {
            let fixed = clock.fixedOffset(onLocalDay: day)
            if let fixed, (day + 1) * 86_400 - fixed <= second { continue }
            for hour in 0...23 where hours.contains(hour) {
                for minute in 0...59 where minutes.contains(minute) {
                    let local = day * 86_400 + Int64(hour * 3600 + minute * 60)
                    let instant = fixed.map { local - $0 } ?? clock.instant(of: local)
                    if instant > second { return instant }
                }
            }
        }
        return nil
    }

    private func nextHourly(after second: Int64, on clock: WallClock) -> Int64? {
        var instant = second + 1
        while instant <= second + Self.horizon {
            let offset = clock.offset(at: instant)
            let local = instant + offset
            let day = local.flooredDivision(by: 86_400)
            let hour = local.flooredDivision(by: 3600)
            // Local time to go to, which is one to run at or the next hour or day.
            var target = (hour + 1) * 3600
            var isHit = false
            if !matches(day: day) {
                target = (day + 1) * 86_400
            } else if let minute = minutes.first(from: Int((local - hour * 3600 + 59) / 60)) {
                target = hour * 3600 + Int64(minute) * 60
                isHit = true
            }
            let reached = clock.advance(from: instant, to: target - offset)
            if isHit, reached == target - offset, clock.offset(at: reached) == offset { return reached }
            instant = reached
        }
        return nil
    }
}
