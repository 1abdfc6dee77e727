import DurableCore
import Logging

/// When a worker of this process came so far, by what it logs.
final class MomentLog: Sendable {
    enum Moment: String, CaseIterable {
        case baton = "took the baton"
        case serving = "serving the partition"
    }

    /// Look-up only.
    private let moments = PlatformLock<[Moment: ContinuousClock.Instant]>([:])

    subscript(_ moment: Moment) -> ContinuousClock.Instant? { moments.withLock { $0[moment] } }

    var logger: Logger {
        var logger = Logger(label: "dtq.bench") { Handler(log: self, next: StreamLogHandler.standardError(label: $0)) }
        logger.logLevel = .debug
        return logger
    }

    private func note(_ message: String) {
        guard let moment = Moment(rawValue: message) else { return }
        let now = ContinuousClock.now
        moments.withLock { if $0[moment] == nil { $0[moment] = now } }
    }

    private struct Handler: LogHandler {
        let log: MomentLog
        var next: StreamLogHandler
        var logLevel = Logger.Level.debug
        var metadata: Logger.Metadata {
            get { next.metadata }
            set { next.metadata = newValue }
        }

        init(log: MomentLog, next: StreamLogHandler) {
            self.log = log
            self.next = next
        }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { next[metadataKey: key] }
            set { next[metadataKey: key] = newValue }
        }

        func log(event: LogEvent) {
            log.note(event.message.description)
            if event.level >= .warning { next.log(event: event) }
        }
    }
}
