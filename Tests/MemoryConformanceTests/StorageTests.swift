import DurableBackend
import DurableConformance
import DurableCore
import DurableMemory
import Testing

@Suite("Memory storage") struct MemoryStorageConformanceTests {
    static func storage() -> MemoryStorage { MemoryStorage(descriptor("hub-1")) }

    static func descriptor(_ id: String) -> HubDescriptor {
        HubDescriptor(
            hubID: id, hub: HubName("test")!, partitionCount: 2, queueKind: .classic, logMode: .local,
            dataDirectory: "/nowhere", createdAt: Timestamp(millisecondsSinceEpoch: 0))
    }

    @Test("The log obeys", arguments: LogRule.allCases)
    func log(obeys rule: LogRule) async throws {
        try await rule.verify { Self.storage() }
    }

    @Test("The store obeys", arguments: StoreRule.allCases)
    func store(obeys rule: StoreRule) async throws {
        try await rule.verify { Self.storage() }
    }

    @Test("A copy stays as it was frozen, and takes what it lacks of an archive")
    func copies() throws {
        try CopyCheck.frozenCopyStays(try MemoryCopies().open(PartitionID(0)))
        let copies = MemoryCopies()
        try CopyCheck.archiveFillsGaps(try copies.open(PartitionID(0)))
        try CopyCheck.archiveIsKept(try copies.open(PartitionID(0)))
    }

    @Test("Of an instance that went on and ended again the last end counts")
    func lastEnd() throws {
        try CopyCheck.lastEndCounts(try MemoryCopies().open(PartitionID(0)))
    }

    @Test("The epoch authority obeys", arguments: EpochRule.allCases)
    func epochs(obey rule: EpochRule) async throws {
        try await rule.verify {
            let authority = MemoryEpochAuthority()
            return { authority }
        }
    }

    @Test("A hub's storage is made once, removed once, and never mistaken for another hub's")
    func hubStorage() throws {
        let storage = MemoryStorage()
        let (own, other) = (Self.descriptor("hub-1"), Self.descriptor("hub-2"))
        #expect(throws: StoreError.self) { try storage.open(PartitionID(0)) }
        try storage.create(own)
        let incarnation = try storage.open(PartitionID(0)).store.recover().incarnation
        try storage.create(own)
        #expect(try storage.open(PartitionID(0)).store.recover().incarnation == incarnation)
        #expect(throws: StoreError.self) { try storage.create(other) }
        #expect(throws: StoreError.self) { try storage.remove(other) }
        try storage.remove(own)
        try storage.remove(own)
        #expect(throws: StoreError.self) { try storage.open(PartitionID(0)) }
        try storage.create(own)
        #expect(try storage.open(PartitionID(0)).store.recover().incarnation != incarnation)
    }

    @Test("A full disk writes nothing; an I/O error leaves its caller in doubt")
    func faults() async throws {
        let storage = Self.storage()
        let epoch = Epoch(generation: 1, offset: 1)
        let begin = PartitionRecord.Begin(
            epoch: epoch, worker: WorkerID("w"), time: Timestamp(millisecondsSinceEpoch: 0))
        let log = try storage.open(PartitionID(0)).log
        _ = try await log.begin(begin)
        for (fault, count) in [
            (StorageFaultPlan.Fault.full, 1), (.unavailable(isWritten: false), 1), (.unavailable(isWritten: true), 2),
        ] {
            storage.setFaults(.at(call: storage.callCount + 1, fault))
            await #expect(throws: LogError.self) { try await log.append([.released(nextDue: nil)], epoch: epoch) }
            #expect(try await log.read(after: LogPosition(0), limit: 10).count == count)
        }
    }
}
