import DurableBackend
import DurableConformance
import DurableCore
import DurableSQLite
import Foundation
import Testing

@Suite("Hub files") struct HubStorageTests {
    @Test("Creating a hub again changes nothing")
    func creationIsIdempotent() async throws {
        let hub = try TemporaryHub()
        let opened = try hub.storage.open(PartitionID(1))
        _ = try await opened.log.begin(SampleRecords.begin(SampleRecords.epoch(3)))
        let recovery = try opened.store.recover()
        opened.store.close()
        try SQLiteHubStorage().create(hub.descriptor)
        let again = try hub.storage.open(PartitionID(1))
        defer { again.store.close() }
        #expect(try again.store.recover() == recovery)
        #expect(try await again.log.read(after: LogPosition(0), limit: 10).count == 1)
    }

    @Test("Only whole files are left behind")
    func nothingIsLeftOver() throws {
        let hub = try TemporaryHub(partitions: 3)
        let files = try FileManager.default.contentsOfDirectory(atPath: hub.directory).sorted()
        #expect(files == ["hub.sqlite", "partition-0.sqlite", "partition-1.sqlite", "partition-2.sqlite"])
    }

    @Test("Two hubs cannot share a directory")
    func otherHubIsRefused() throws {
        let hub = try TemporaryHub()
        var other = hub.descriptor
        other.hubID = UUID().uuidString
        expectStoreError(containing: hub.descriptor.hubID, .isForeign) { try SQLiteHubStorage().create(other) }
        expectStoreError(containing: hub.descriptor.hubID, .isForeign) { try SQLiteHubStorage().remove(other) }
        try hub.storage.open(PartitionID(0)).store.close()
    }

    @Test("Of two hubs made at the same time in one directory, one gets it")
    func racingCreators() async throws {
        let hub = try TemporaryHub(partitions: 4, creating: false)
        let descriptors = (0..<4).map { _ in
            TemporaryHub.descriptor(partitions: 4, directory: hub.directory)
        }
        let winners = await withTaskGroup(of: String?.self) { group in
            for descriptor in descriptors {
                group.addTask {
                    do throws(StoreError) {
                        try SQLiteHubStorage().create(descriptor)
                        return descriptor.hubID
                    } catch .foreign {
                        return nil
                    } catch {
                        return "unexpected: \(error)"
                    }
                }
            }
            return await group.reduce(into: [String]()) { all, one in if let one { all.append(one) } }
        }
        #expect(winners.count == 1)
        let winner = try #require(descriptors.first { $0.hubID == winners.first })
        for partition in 0..<4 {
            try SQLiteStorage(descriptor: winner, directory: hub.directory).open(PartitionID(partition)).store.close()
        }
        let files = try FileManager.default.contentsOfDirectory(atPath: hub.directory)
        #expect(files.filter { $0.hasSuffix(".new") } == [])
    }

    @Test("A lost partition file is never replaced by an empty one")
    func lostFileIsNotRemade() throws {
        let hub = try TemporaryHub()
        try FileManager.default.removeItem(atPath: hub.path(1))
        expectStoreError(containing: hub.path(1), .isMissing) { try SQLiteHubStorage().create(hub.descriptor) }
        expectStoreError(containing: hub.path(1), .isMissing) { _ = try hub.storage.open(PartitionID(1)) }
        #expect(!FileManager.default.fileExists(atPath: hub.path(1)))
    }

    @Test("A creation cut short is finished by the next one")
    func interruptedCreationGoesOn() throws {
        let hub = try TemporaryHub(creating: false)
        try FileManager.default.createDirectory(atPath: hub.directory, withIntermediateDirectories: true)
        // A directory in the way of the second partition ends the first attempt in the middle.
        try FileManager.default.createDirectory(atPath: hub.path(1), withIntermediateDirectories: false)
        #expect(throws: StoreError.self) { try SQLiteHubStorage().create(hub.descriptor) }
        try FileManager.default.removeItem(atPath: hub.path(1))
        try SQLiteHubStorage().create(hub.descriptor)
        try hub.storage.open(PartitionID(1)).store.close()
    }

    @Test("The hub's own file lost beside partition files is reported")
    func lostHubFile() throws {
        let hub = try TemporaryHub()
        try FileManager.default.removeItem(atPath: "\(hub.directory)/hub.sqlite")
        expectStoreError(containing: "hub.sqlite", .isMissing) { try SQLiteHubStorage().create(hub.descriptor) }
    }

    @Test("Removing takes all files, again does nothing")
    func removal() throws {
        let hub = try TemporaryHub()
        let opened = try hub.storage.open(PartitionID(0))
        try SQLiteHubStorage().remove(hub.descriptor)
        try SQLiteHubStorage().remove(hub.descriptor)
        opened.store.close()
        #expect(!FileManager.default.fileExists(atPath: hub.directory))
    }

    @Test("A hub with a damaged partition can be removed")
    func damagedHubIsRemoved() throws {
        let hub = try TemporaryHub()
        let handle = try #require(FileHandle(forUpdatingAtPath: hub.path(0)))
        try handle.truncate(atOffset: 8192)
        try handle.close()
        try SQLiteHubStorage().remove(hub.descriptor)
        #expect(!FileManager.default.fileExists(atPath: hub.path(0)))
    }

    @Test("The directory says which hub it holds")
    func descriptorIsKept() throws {
        let hub = try TemporaryHub()
        #expect(try SQLiteHubStorage.descriptor(in: hub.directory) == hub.descriptor)
        #expect(try SQLiteHubStorage.descriptor(in: hub.directory + "/nowhere") == nil)
    }
}
