package import DurableCore

/// Events of an instance as one blob, such as the part of a history that one checkpoint added.
package enum HistoryCodec {
    package static func encode(_ events: [HistoryEvent]) -> [UInt8] {
        var history = PBHistory()
        history.events = events.map(PBHistoryEvent.init)
        return history.aloneBytes(version: events.lazy.map(\.historyFormat).max() ?? 1)
    }

    package static func decode(_ bytes: [UInt8]) throws(WireError) -> [HistoryEvent] {
        try PBHistory(alone: bytes).events.map(HistoryEvent.init)
    }
}
