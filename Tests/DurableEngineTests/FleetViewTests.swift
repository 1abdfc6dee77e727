import DurableCore
import DurableEngine
import DurableWorker
import Testing

/// One partition, seen by a worker "me".
@Suite("Fleet view") struct FleetViewTests {
    private let partition = PartitionID(0)
    private static let desertion = Duration.seconds(15)

    private func view() -> FleetView {
        FleetView(worker: WorkerID("me"), partitionCount: 1, desertion: Self.desertion, uptime: .zero)
    }

    /// A worker that owns the partition with an epoch, stands by for it, or neither.
    ///
    /// - Parameter number: In the order of hearing; nil: as `time` says.
    private func heard(
        _ worker: String, at time: Duration, number: Int? = nil, owning offset: UInt64? = nil, standingBy: Bool = false,
        _ state: WorkerHeartbeat.State = .active
    ) -> HeardHeartbeat {
        let owned = offset.map { offset in
            WorkerHeartbeat.Partition(
                partition: partition, epoch: Epoch(generation: 1, offset: offset), inFlight: 0, outbox: 0,
                heldInstances: 0, nextDue: nil)
        }
        return HeardHeartbeat(
            WorkerHeartbeat(
                worker: WorkerID(worker), state: state, time: Timestamp(millisecondsSinceEpoch: 0),
                startedAt: Timestamp(millisecondsSinceEpoch: 0), intervalMilliseconds: 5000, buildVersion: "1",
                runsOrchestrations: true, runsActivities: true, slots: 1, partitions: owned.map { [$0] } ?? [],
                standBy: standingBy ? [partition] : []),
            at: time, number: number ?? Int(time.components.seconds))
    }

    private func look(
        _ view: inout FleetView, _ living: [HeardHeartbeat], at now: Duration, _ own: FleetView.Own = .init()
    ) -> (place: PartitionPlace, look: FleetView.Look) {
        let look = view.look(at: living, own: own, now: now)
        return (look.places[0], look)
    }

    @Test("A worker that stood by and has not spoken since the owner changed is left out after the patience")
    func silence() {
        var view = view()
        let standBy = heard("b", at: .seconds(1), standingBy: true)
        _ = look(&view, [heard("a", at: .seconds(1), owning: 1), standBy], at: .seconds(1))
        let change = [heard("a", at: .seconds(1), owning: 1), standBy, heard("c", at: .seconds(5), owning: 2)]
        let first = look(&view, change, at: .seconds(5))
        #expect(first.look.hasNewDoubts)
        #expect(first.place.candidates.contains(WorkerID("b")))
        #expect(first.place.isSpare)
        let patience = FleetView.doubtPatience
        let later = look(&view, change, at: .seconds(5) + patience)
        #expect(!later.look.hasNewDoubts)
        #expect(later.place.candidates == [WorkerID("c"), WorkerID("me")])
        #expect(later.place.isNeeded)
        // It lives after all.
        let spoken = [change[2], heard("b", at: .seconds(6) + patience, standingBy: true)]
        #expect(look(&view, spoken, at: .seconds(6) + patience).place.isSpare)
    }

    @Test("Of what is heard in one instant, who spoke after the new owner is in no doubt, who spoke before is")
    func sameInstant() {
        for (standBy, isInDoubt) in [(1, true), (3, false)] {
            var view = view()
            _ = look(&view, [], at: .seconds(1))
            let fleet = [
                heard("b", at: .seconds(5), number: standBy, standingBy: true),
                heard("c", at: .seconds(5), number: 2, owning: 2),
            ]
            #expect(look(&view, fleet, at: .seconds(5)).look.hasNewDoubts == isInDoubt)
        }
    }

    @Test("One more change of owners within the patience puts nothing off")
    func secondChange() {
        var view = view()
        let standBy = heard("b", at: .seconds(1), standingBy: true)
        _ = look(&view, [standBy, heard("a", at: .seconds(1), owning: 1)], at: .seconds(1))
        _ = look(&view, [standBy, heard("c", at: .seconds(5), owning: 2)], at: .seconds(5))
        let second = [standBy, heard("d", at: .seconds(6), owning: 3)]
        #expect(look(&view, second, at: .seconds(6)).place.isSpare)
        #expect(!look(&view, second, at: .seconds(5) + FleetView.doubtPatience).place.isSpare)
    }

    @Test("Who has answered has the whole patience to answer to the next change, too") func answered() {
        var view = view()
        let standBy = heard("b", at: .seconds(1), standingBy: true)
        _ = look(&view, [standBy, heard("a", at: .seconds(1), owning: 1)], at: .seconds(1))
        let first = [standBy, heard("c", at: .seconds(5), owning: 2)]
        #expect(look(&view, first, at: .seconds(5)).look.hasNewDoubts)
        // It answers, which is no news, and then there is another owner.
        let second = [heard("b", at: .seconds(6), standingBy: true), heard("d", at: .seconds(7), owning: 3)]
        #expect(look(&view, second, at: .milliseconds(6900)).look.hasNewDoubts)
        #expect(look(&view, second, at: .seconds(5) + FleetView.doubtPatience).place.isSpare)
        #expect(!look(&view, second, at: .milliseconds(6900) + FleetView.doubtPatience).place.isSpare)
    }

    @Test("What a worker sees at its first look puts nobody in doubt")
    func firstLook() {
        var view = view()
        let fleet = [heard("a", at: .seconds(1), owning: 1), heard("b", at: .seconds(1), standingBy: true)]
        let first = look(&view, fleet, at: .seconds(2))
        #expect(!first.look.hasNewDoubts)
        #expect(look(&view, fleet, at: .seconds(4)).place.candidates.count == 3)
    }

    @Test("Nothing is handed to who may be dead, nor while another one would get it")
    func handOver() throws {
        var view = FleetView(
            worker: WorkerID("me"), partitionCount: 2, desertion: Self.desertion, uptime: .zero)
        let both = [PartitionID(0), PartitionID(1)]
        var own = FleetView.Own()
        own.owned = [both[0]: Epoch(generation: 1, offset: 1), both[1]: Epoch(generation: 1, offset: 2)]
        own.concerns = Set(both)
        func standBy(_ worker: String, at time: Duration) -> HeardHeartbeat {
            var heard = heard(worker, at: time)
            heard.heartbeat.standBy = both
            return heard
        }
        /// Whether this worker may hand over the partition that is the other's now.
        func mayHandOver(_ living: [HeardHeartbeat], at now: Duration) throws -> Bool {
            let places = view.look(at: living, own: own, now: now).places.filter { !$0.isFirst }
            #expect(places.count == 1)
            return try #require(places.first).isFirstAlone
        }
        #expect(try mayHandOver([standBy("b", at: .zero)], at: .seconds(1)))
        #expect(try !mayHandOver([heard("b", at: .zero)], at: .seconds(1)))
        // Taken anew, which a worker that stands by would say it has heard of.
        own.owned[both[1]] = Epoch(generation: 1, offset: 3)
        own.owned[both[0]] = Epoch(generation: 1, offset: 4)
        #expect(try !mayHandOver([standBy("b", at: .zero)], at: .seconds(2)))
        #expect(try mayHandOver([standBy("b", at: .seconds(3))], at: .seconds(3)))
        // A third one waits for the same, and has no share.
        var third = standBy("c", at: .seconds(3))
        third.heartbeat.state = .active
        let places = view.look(at: [standBy("b", at: .seconds(3)), third], own: own, now: .seconds(3)).places
        #expect(places.allSatisfy { !$0.isFirstAlone })
    }

    @Test("For a partition without owner those near wait whoever else stands by, and everybody when it lasts")
    func unowned() {
        var view = view()
        let fleet = ["a", "b", "c"].map { heard($0, at: .seconds(1), standingBy: true) }
        let place = look(&view, fleet, at: .seconds(1)).place
        #expect(!place.isSpare && !place.isDeserted)
        #expect(place.candidates.prefix(2) == [WorkerID("a"), WorkerID("b")])
        #expect(!place.isNeeded)
        let later = look(&view, fleet, at: Self.desertion).place
        #expect(later.isDeserted && later.isNeeded)
    }

    @Test("A new owner of what one waits for is worth a word, one's own concern or none is not")
    func announcing() {
        var view = view()
        var own = FleetView.Own()
        _ = look(&view, [], at: .seconds(1), own)
        #expect(!look(&view, [heard("a", at: .seconds(2), owning: 1)], at: .seconds(2), own).look.mustAnnounce)
        own.concerns = [partition]
        #expect(look(&view, [heard("b", at: .seconds(3), owning: 2)], at: .seconds(3), own).look.mustAnnounce)
        #expect(!look(&view, [heard("b", at: .seconds(4), owning: 2)], at: .seconds(4), own).look.mustAnnounce)
    }

    @Test("A worker that drains owns what it has, and is given nothing")
    func draining() {
        var view = view()
        let place = look(
            &view, [heard("a", at: .zero, owning: 1, .draining), heard("b", at: .zero, standingBy: true)],
            at: .seconds(1)
        ).place
        #expect(place.present.owner == WorkerID("a"))
        #expect(place.candidates == [WorkerID("b"), WorkerID("me")])
    }
}
