import DurableBackend
import DurableConformance
import DurableCore
import DurableSQLite
import DurableSimulation
import Testing

@Suite("Simulated disk") struct SimulatedDiskTests {
    private let first = SampleRecords.epoch(5)
    private let second = SampleRecords.epoch(9)

    private let descriptor = HubDescriptor(
        hubID: "hub-1", hub: HubName("test")!, partitionCount: 2, queueKind: .quorum, logMode: .local,
        dataDirectory: "/simulated", createdAt: SimulatedClock.start)

    private func hub(on disk: SimulatedDisk) -> SQLiteHubStorage {
        let numbers = PlatformLock(UInt64(0))
        return SQLiteHubStorage(
            directory: disk.directory, options: disk.options,
            random: {
                numbers.withLock { number in
                    number += 1
                    return number
                }
            })
    }

    private func makeDisk(seed: UInt64) throws -> SimulatedDisk {
        let disk = SimulatedDisk(seed: seed)
        try hub(on: disk).create(descriptor)
        return disk
    }

    private func open(_ disk: SimulatedDisk, as process: Int) throws -> OpenPartition {
        disk.currentProcess = process
        return try SQLiteStorage(descriptor: descriptor, directory: disk.directory, options: disk.options)
            .open(PartitionID(0))
    }

    private func expectRefusal(of opened: OpenPartition) async {
        await #expect(throws: LogError.self) {
            try await opened.log.append(SampleRecords.records(9), epoch: self.first)
        }
    }

    private func positions(_ disk: SimulatedDisk, as process: Int) async throws -> [UInt64] {
        let opened = try open(disk, as: process)
        defer { opened.store.close() }
        return try await opened.log.read(after: LogPosition(0), limit: 1000).map(\.position.value)
    }

    @Test("What was committed survives a power loss, whatever is drawn", arguments: 0..<40 as Range<UInt64>)
    func committedSurvives(seed: UInt64) async throws {
        let disk = try makeDisk(seed: seed)
        let opened = try open(disk, as: 1)
        _ = try await opened.log.begin(SampleRecords.begin(first))
        for _ in 0..<5 { _ = try await opened.log.append(SampleRecords.records(3), epoch: first) }
        disk.losePower()
        #expect(try await positions(disk, as: 2) == Array(1...16))
        opened.store.close()
    }

    @Test("A transaction cut short by a power loss is there as a whole or not at all", arguments: 1...30)
    func tornTransaction(write: Int) async throws {
        for seed in 0..<10 as Range<UInt64> {
            let disk = try makeDisk(seed: seed)
            let opened = try open(disk, as: 1)
            _ = try await opened.log.begin(SampleRecords.begin(first))
            disk.interrupt(1, atWrite: write) { disk.losePower() }
            var known = 1
            do {
                while known < 900 {
                    _ = try await opened.log.append(SampleRecords.records(60), epoch: first)
                    known += 60
                }
            } catch {}
            let found = try await positions(disk, as: 2).count
            #expect([known, known + 60].contains(found), "seed \(seed)")
            opened.store.close()
        }
    }

    @Test("Without synchronizing, a power loss takes what was committed") func ignoredSync() async throws {
        var lostCount = 0
        for seed in 0..<20 as Range<UInt64> {
            let disk = try makeDisk(seed: seed)
            disk.ignoresSync = true
            let opened = try open(disk, as: 1)
            _ = try await opened.log.begin(SampleRecords.begin(first))
            _ = try await opened.log.append(SampleRecords.records(3), epoch: first)
            disk.losePower()
            if (try? await positions(disk, as: 2)) != [1, 2, 3, 4] { lostCount += 1 }
            opened.store.close()
        }
        #expect(lostCount > 5)
    }

    @Test("What a killed process wrote stays, and its locks are gone") func kill() async throws {
        let disk = try makeDisk(seed: 1)
        let killed = try open(disk, as: 1)
        _ = try await killed.log.begin(SampleRecords.begin(first))
        // In the middle of a transaction, with the write lock held.
        disk.interrupt(1, atWrite: 2) { disk.kill(1) }
        await expectRefusal(of: killed)
        let other = try open(disk, as: 2)
        #expect(try await other.log.begin(SampleRecords.begin(second)) == LogPosition(2))
        #expect(try await other.log.append(SampleRecords.records(1), epoch: second) == LogPosition(3))
        await expectRefusal(of: killed)
        #expect(throws: StoreError.self) { try killed.store.recover() }
        killed.store.close()
        #expect(try await positions(disk, as: 3) == [1, 2, 3])
        other.store.close()
        #expect(try await positions(disk, as: 3) == [1, 2, 3])
    }

    @Test("A process that dies with others open leaves them in peace") func survivors() async throws {
        let disk = try makeDisk(seed: 1)
        let (killed, other) = (try open(disk, as: 1), try open(disk, as: 2))
        _ = try await killed.log.begin(SampleRecords.begin(first))
        _ = try await other.log.read(after: LogPosition(0), limit: 10)
        disk.kill(1)
        #expect(try await other.log.append(SampleRecords.records(2), epoch: first) == LogPosition(3))
        killed.store.close()
        #expect(try await positions(disk, as: 3) == [1, 2, 3])
        other.store.close()
    }

    @Test("A full disk refuses what grows, and takes it later") func full() async throws {
        let disk = try makeDisk(seed: 1)
        let opened = try open(disk, as: 1)
        _ = try await opened.log.begin(SampleRecords.begin(first))
        disk.isFull = true
        await #expect {
            try await opened.log.append(SampleRecords.records(9), epoch: self.first)
        } throws: { error in
            if case .full = error as? LogError { true } else { false }
        }
        disk.isFull = false
        #expect(try await opened.log.append(SampleRecords.records(9), epoch: first) == LogPosition(10))
        opened.store.close()
        #expect(try await positions(disk, as: 2).count == 10)
    }

    @Test("An error at any access leaves the log with all that was confirmed", arguments: 1...40)
    func errors(access: Int) async throws {
        for fault in [SimulatedDisk.Fault.inputOutput, .full] {
            let disk = try makeDisk(seed: 1)
            let opened = try open(disk, as: 1)
            _ = try await opened.log.begin(SampleRecords.begin(first))
            disk.plan(fault, atAccess: access, of: 1)
            var known = 1
            for _ in 0..<5 {
                let position = try? await opened.log.append(SampleRecords.records(3), epoch: first)
                if let position {
                    known += 3
                    #expect(position.value == UInt64(known))
                }
            }
            #expect(known >= 13)
            #expect(try await positions(disk, as: 2).count == known)
            opened.store.close()
        }
    }

    @Test("A hub whose making is cut short by a power loss can be made again", arguments: 1...60)
    func making(write: Int) throws {
        for seed in 0..<4 as Range<UInt64> {
            let disk = SimulatedDisk(seed: seed)
            disk.interrupt(nil, atWrite: write) { disk.losePower() }
            do { try hub(on: disk).create(descriptor) } catch {}
            disk.mend()
            try hub(on: disk).create(descriptor)
            disk.losePower()
            try open(disk, as: 1).store.close()
        }
    }

    @Test("Two disks have nothing in common") func independence() async throws {
        let (one, other) = (try makeDisk(seed: 1), try makeDisk(seed: 1))
        let opened = try open(one, as: 1)
        _ = try await opened.log.begin(SampleRecords.begin(first))
        #expect(try await positions(other, as: 1) == [])
        opened.store.close()
    }
}
