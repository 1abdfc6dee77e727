import DurableCore
import Foundation
import Logging

/// Logs on standard error: one line a message, `<time> <level> <label>: <key>=<value> ... [<source>] <text>`, the time
/// in UTC to the millisecond, so that lines of several workers can be put in order. Each line is one write call: lines
/// of processes that share a terminal do not mix, and a process that is killed has written what it logged.
struct LineLogHandler: LogHandler {
    let label: String
    var logLevel = Logger.Level.info
    var metadata = Logger.Metadata()
    var metadataProvider: Logger.MetadataProvider?

    init(label: String) { self.label = label }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var all = metadata
        all.merge(metadataProvider?.get() ?? [:]) { $1 }
        all.merge(event.metadata ?? [:]) { $1 }
        let pairs = all.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        let now = Timestamp(millisecondsSinceEpoch: Int64(Date().timeIntervalSince1970 * 1000))
        let error = event.error.map { " error=\($0)" } ?? ""
        let line = "\(now) \(event.level) \(label):\(pairs)\(error) [\(event.source)] \(event.message)\n"
        try? FileHandle.standardError.write(contentsOf: Data(line.utf8))
    }
}
