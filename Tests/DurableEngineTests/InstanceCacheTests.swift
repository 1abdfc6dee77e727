import DurableCore
import DurableEngine
import Testing

/// Code that does nothing but count its evictions.
private final class IdleSession: OrchestrationSession {
    var evictions = 0
    var estimatedBytes: Int { evictions == 0 ? 10_000 : 0 }
    func replay(_ page: [HistoryEvent]) throws(EpisodeFailure) {}
    func run(_ newEvents: [HistoryEvent]) throws(EpisodeFailure) -> [OrchestratorAction] { [] }
    func query(_ name: String, input: Payload?) -> HandlerAnswer { .noHandler(known: []) }
    func admit(_ request: UpdateRequest, violation: inout String?) -> UpdateAdmission { .noHandler }
    func takesUpdate(named name: String) -> Bool { false }
    func evict() { evictions += 1 }
}

@Suite("The cache of instances") struct InstanceCacheTests {
    private func state(_ id: String) -> InstanceState {
        InstanceState(
            start: ExecutionStarted(name: "O", instanceID: InstanceID(id), executionID: ExecutionID("x")),
            startID: MessageID("m"), at: Timestamp(millisecondsSinceEpoch: 0))
    }

    @Test func evictsTheLeastRecentlyUsedFirst() throws {
        var cache = InstanceCache()
        let entries = (0..<4).map { cache.insert(state("i-\($0)"), flushedCount: 0) }
        let sessions = entries.map { _ in IdleSession() }
        for (entry, session) in zip(entries, sessions) {
            entry.session = session
            cache.touch(entry)
        }
        cache.touch(entries[0])
        let fits = cache.shrink(to: cache.bytes - 1)
        #expect(fits)
        #expect(sessions.map(\.evictions) == [0, 1, 0, 0])
        #expect(cache[InstanceID("i-1")] == nil)
        #expect(cache[InstanceID("i-0")] === entries[0])
    }

    @Test func keepsTheStateOfDirtyOnesButFreesTheirCode() {
        var cache = InstanceCache()
        let entry = cache.insert(state("i"), flushedCount: 0)
        let session = IdleSession()
        entry.session = session
        entry.isDirty = true
        cache.touch(entry)
        let full = cache.bytes
        let fits = cache.shrink(to: 0)
        #expect(!fits)
        #expect(session.evictions == 1)
        #expect(cache[InstanceID("i")] === entry)
        #expect(cache.bytes < full)
        entry.isDirty = false
        let fitsNow = cache.shrink(to: 0)
        #expect(fitsNow)
        #expect(cache.bytes == 0)
        #expect(cache.count == 0)
    }

    @Test func countsWhatItHolds() {
        var cache = InstanceCache()
        for number in 0..<1000 { cache.touch(cache.insert(state("i-\(number)"), flushedCount: 0)) }
        #expect(cache.bytes > 1000 * 500)
        cache.removeAll()
        #expect(cache.bytes == 0 && cache.count == 0)
    }
}
