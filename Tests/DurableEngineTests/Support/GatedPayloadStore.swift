import DurableCore
import DurablePayloads

/// A payload store in memory that can be slow, full, or gone.
final class GatedPayloadStore: PayloadStore {
    private struct State {
        var contents: [String: [UInt8]] = [:]
        var failure: String?
        var isGetGated = false
        var isPutGated = false
        var waiting: [CheckedContinuation<Void, Never>] = []
        var gets = 0
        var failures = 0
    }
    private let state = PlatformLock(State())

    var description: String { "memory" }
    var contents: [String: [UInt8]] { state.withLock { $0.contents } }
    var waitingCount: Int { state.withLock { $0.waiting.count } }
    var failureCount: Int { state.withLock { $0.failures } }
    var getCount: Int { state.withLock { $0.gets } }

    /// Every call fails with it; nil: none does.
    func fail(_ reason: String?) { state.withLock { $0.failure = reason } }

    /// What comes from now on waits until `open`.
    func gate(gets: Bool = false, puts: Bool = false) {
        state.withLock { ($0.isGetGated, $0.isPutGated) = (gets, puts) }
    }

    func open() {
        let waiting = state.withLock { state in
            defer { state.waiting = [] }
            (state.isGetGated, state.isPutGated) = (false, false)
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Takes everything away, as a wrong mount does.
    func takeAll() -> [String: [UInt8]] {
        state.withLock { state in
            defer { state.contents = [:] }
            return state.contents
        }
    }

    func bringBack(_ contents: [String: [UInt8]]) { state.withLock { $0.contents.merge(contents) { $1 } } }

    func put(_ content: [UInt8], as key: String) async throws {
        try checkFailure()
        state.withLock { $0.contents[key] = content }
        if state.withLock({ $0.isPutGated }) { await pass() }
    }

    func get(_ key: String) async throws -> [UInt8]? {
        state.withLock { $0.gets += 1 }
        if state.withLock({ $0.isGetGated }) { await pass() }
        try checkFailure()
        return state.withLock { $0.contents[key] }
    }

    func removeAll(under prefix: String) async throws {
        try checkFailure()
        state.withLock { state in
            state.contents = state.contents.filter { $0.key != prefix && !$0.key.hasPrefix("\(prefix)/") }
        }
    }

    private func checkFailure() throws {
        let failure = state.withLock { state in
            if state.failure != nil { state.failures += 1 }
            return state.failure
        }
        if let failure { throw PayloadStoreError(failure) }
    }

    private func pass() async {
        await withCheckedContinuation { continuation in state.withLock { $0.waiting.append(continuation) } }
    }
}
