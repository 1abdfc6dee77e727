package import DurableCore
package import DurableTask

/// Asks for the times of a specification. Its answer is recorded, so that replay elsewhere, with other zone data, comes to
/// the same.
package struct ScheduleTimesRequest: Codable, Sendable {
    var specification: ScheduleSpecification
    var after: Timestamp
    var through: Timestamp
    /// What came before it is missed.
    var earliest: Timestamp?
    /// Of `ScheduleTimes.times`.
    var limit: Int
}

package struct ScheduleTimes: Codable, Sendable {
    /// In order.
    var times: [Timestamp]
    var missedCount: Int
    /// What comes after the last of `times`, or after `through`; at most five, in order. The first is not after
    /// `through` where the limit left some off.
    var following: [Timestamp]
}

extension ScheduleTimes {
    static let missedLimit = 10_000

    package static let activity = Activity("dtq.ScheduleTimes") {
        (request: ScheduleTimesRequest, _: ActivityContext) throws -> ScheduleTimes in
        try find(request)
    }

    package static func find(_ request: ScheduleTimesRequest) throws(InvalidSchedule) -> ScheduleTimes {
        let specification = request.specification
        try specification.validate()
        let clock = try WallClock(specification.timeZone)
        var found = ScheduleTimes(times: [], missedCount: 0, following: [])
        var last = request.after
        while found.times.count < request.limit, let next = specification.next(after: last, on: clock),
            next <= request.through
        {
            last = next
            if let earliest = request.earliest, next < earliest {
                found.missedCount += 1
                if found.missedCount == missedLimit { last = earliest - .milliseconds(1) }
            } else {
                found.times.append(next)
            }
        }
        while found.following.count < 5, let next = specification.next(after: last, on: clock) {
            found.following.append(next)
            last = next
        }
        return found
    }
}
