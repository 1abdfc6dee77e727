import DurableCore
import DurableEngine
import DurableMemory
import Testing

@Suite("Waiting for a payload store", .timeLimit(.minutes(1))) struct StorePatienceTests {
    private let clock = ManualClock()
    private let patience: StorePatience
    private let asked = Counter()

    init() { patience = StorePatience(clock: clock) }

    private static func fault(_ kind: PayloadFault.Kind) -> PayloadFault {
        PayloadFault(kind, "DTQ2019", "as the test says", remedy: "")
    }

    /// A store that answers with `result` once `barrier` is open; nil: at once.
    private func ask(
        _ result: Result<Int, PayloadFault>, behind barrier: Barrier? = nil
    ) async -> Result<Int, PayloadFault> {
        do throws(PayloadFault) {
            return .success(
                try await patience.result { [asked] () async throws(PayloadFault) -> Int in
                    asked.next()
                    await barrier?.pass()
                    return try result.get()
                })
        } catch {
            return .failure(error)
        }
    }

    private func isSilence(_ result: Result<Int, PayloadFault>) -> Bool {
        guard case .failure(let fault) = result else { return false }
        return fault.kind == .unavailable && fault.reason == "the payload store does not answer"
    }

    @Test("What answers in time is taken, and is no trouble") func answers() async {
        #expect(await ask(.success(1)) == .success(1))
        let barrier = Barrier()
        async let late = ask(.success(2), behind: barrier)
        await clock.waitForSleepers(1)
        clock.advance(by: StorePatience.limit - .milliseconds(1))
        barrier.open()
        let outcome = await late
        #expect(outcome == .success(2))
        #expect(await ask(.success(3)) == .success(3))
        #expect(asked.count == 3)
        #expect(clock.sleepers.isEmpty)
    }

    @Test("What fails at once says why, and is not asked again for a while") func failsAtOnce() async {
        let fault = Self.fault(.unavailable)
        #expect(await ask(.failure(fault)) == .failure(fault))
        #expect(isSilence(await ask(.success(1))))
        clock.advance(by: StorePatience.respite - .milliseconds(1))
        #expect(isSilence(await ask(.success(1))))
        #expect(asked.count == 1)
        clock.advance(by: .milliseconds(1))
        #expect(await ask(.success(1)) == .success(1))
        #expect(asked.count == 2)
    }

    @Test("Bytes that are wrong are no trouble of the store", arguments: [PayloadFault.Kind.unreadable, .tooLarge])
    func wrongBytes(_ kind: PayloadFault.Kind) async {
        #expect(await ask(.failure(Self.fault(kind))) == .failure(Self.fault(kind)))
        #expect(await ask(.success(1)) == .success(1))
    }

    @Test(
        "What fails too late, or never answers, is given up in time and left alone",
        arguments: [PayloadFault.Kind.unreadable, nil])
    func tooLate(_ kind: PayloadFault.Kind?) async {
        let barrier = Barrier()
        async let late = ask(.failure(Self.fault(kind ?? .unavailable)), behind: barrier)
        await clock.waitForSleepers(1)
        clock.advance(by: StorePatience.limit)
        let outcome = await late
        #expect(isSilence(outcome))
        if kind != nil { barrier.open() }
        #expect(isSilence(await ask(.success(1))))
        #expect(asked.count == 1)
        clock.advance(by: StorePatience.respite)
        #expect(await ask(.success(1)) == .success(1))
        barrier.open()
    }

    @Test("Of several each has its own outcome, in order") func several() async {
        let (barrier, wrong) = (Barrier(), Self.fault(.unreadable))
        typealias Work = @Sendable () async throws(PayloadFault) -> Int
        let slow: Work = { () async throws(PayloadFault) in
            await barrier.pass()
            return 1
        }
        let failing: Work = { () async throws(PayloadFault) in throw wrong }
        let quick: Work = { () async throws(PayloadFault) in 3 }
        async let outcomes = patience.results(of: [slow, failing, quick])
        await clock.waitForSleepers(1)
        barrier.open()
        let results = await outcomes
        #expect(results == [.success(1), .failure(wrong), .success(3)])
    }
}
