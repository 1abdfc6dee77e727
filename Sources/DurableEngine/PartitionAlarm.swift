import DurableBackend
import DurableCore
import DurableWire
import Logging

/// A partition's alarm clock at the broker: one message that expires into the control queue when the earliest timer is
/// due, so that a scaler which sees nothing but queues starts a worker in time.
///
/// A hint and no more: timers are the store's, and an owner arms the alarm anew when it begins.
struct PartitionAlarm: Sendable {
    var transport: any MessageTransport
    var topology: HubTopology
    var partition: PartitionID
    var clock: any EngineClock

    /// Replaces what is set.
    ///
    /// - Parameter due: nil: nothing is due any more.
    /// - Throws: `.notFound` on a hub made before there were alarms; nothing was published.
    func set(_ due: Timestamp?) async throws(TransportError) {
        let queue = topology.queue(.wake, partition)
        // Taken off, not left to expire: what is taken is not dead-lettered.
        while try await transport.get(queue: queue, count: 16, peek: false).count == 16 {}
        guard let due else { return }
        _ = try await transport.publish([topology.wakeUp(of: partition, at: due, now: clock.now())])
    }
}

extension PartitionProcessor {
    /// Whether the alarm is set for another time than the earliest timer's.
    private var isAlarmStale: Bool { !isAlarmKnown || alarmDue != timers.nextDue }

    /// When the loop must come back for the alarm, by the clock's uptime; nil: it is as it should be.
    var alarmCheck: Duration? { isAlarmStale ? alarmNotBefore : nil }

    /// Sets the alarm anew when the earliest timer has changed. Changes within the interval go together: it matters
    /// only if this worker dies, since a release sets it in any case.
    func renewAlarm(at now: Duration) {
        guard isAlarmStale, now >= alarmNotBefore else { return }
        alarmNotBefore = now + parts.configuration.alarmInterval
        decideAlarm()
    }

    /// Leaves the alarm as it should be without an owner, whatever has become of the one before: `keepAlarm` returns
    /// when it is.
    func setLastAlarm() {
        isAlarmLast = true
        decideAlarm()
    }

    private func decideAlarm() {
        isAlarmKnown = true
        alarmDue = timers.nextDue
        alarmSignal.raise()
    }

    /// Sends what was decided, beside the loop, up to the last one.
    func keepAlarm() async {
        while true {
            await alarmSignal.wait()
            if Task.isCancelled { return }
            let isLast = isAlarmLast
            await setAlarm()
            if isLast { return }
        }
    }

    private func setAlarm() async {
        let alarm = PartitionAlarm(
            transport: parts.transport, topology: topology, partition: parts.partition, clock: parts.clock)
        do throws(TransportError) {
            try await alarm.set(alarmDue)
        } catch {
            // Tried again when the interval is over.
            isAlarmKnown = false
            logger.debug("alarm not set", metadata: ["cause": "\(error)"])
        }
    }
}
