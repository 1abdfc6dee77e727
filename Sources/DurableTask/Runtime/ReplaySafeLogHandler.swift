import Logging

/// Passes on what the code logs for the first time; what replay repeats is dropped.
struct ReplaySafeLogHandler: LogHandler {
    var base: any LogHandler
    let mode: EpisodeMode

    /// A call from another thread says nothing about replay and goes through.
    private var isQuiet: Bool { mode.executor.isOwner && (mode.isReplaying || mode.isEvicted) }

    func log(event: LogEvent) {
        if !isQuiet { base.log(event: event) }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { base[metadataKey: key] }
        set { base[metadataKey: key] = newValue }
    }

    var metadata: Logger.Metadata {
        get { base.metadata }
        set { base.metadata = newValue }
    }

    var metadataProvider: Logger.MetadataProvider? {
        get { base.metadataProvider }
        set { base.metadataProvider = newValue }
    }

    var logLevel: Logger.Level {
        get { base.logLevel }
        set { base.logLevel = newValue }
    }
}
