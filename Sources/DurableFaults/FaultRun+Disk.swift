internal import DurableCore
internal import Foundation

/// Faults of the workers' disks.
extension FaultRun {
    private static var diskMegabytes: Int { 16 }
    private var disk: URL { fleet.directory.appendingPathComponent("disk") }

    /// A small file system in memory for the copies of the first seat. Needs the right to mount.
    func prepareSmallDisk() throws {
        let disk = disk
        try FileManager.default.createDirectory(at: disk, withIntermediateDirectories: true)
        if try command("mount", "-t", "tmpfs", "-o", "size=\(Self.diskMegabytes)m", "dtq-faults", disk.path) {
            onEnd { _ = try? self.command("umount", disk.path) }
            copies = { disk.appendingPathComponent("copies-\($0)") }
        } else {
            notes.append("no right to mount a small file system; the broker's disk alarm is raised instead")
        }
    }

    private var hasSmallDisk: Bool { copies(0).path.hasPrefix(disk.path) }

    func fillDisk() async throws {
        for round in 1...(isLong ? 5 : 1) {
            let start = Timestamp.now
            guard hasSmallDisk else {
                try broker.control("set_disk_free_limit", "1000TB")
                try await Task.sleep(for: .seconds(6))
                try broker.control("set_disk_free_limit", "50MB")
                note(Injection(.brokerBlocked, worker: nil, from: start, to: .now))
                try await waitForProgress(60)
                continue
            }
            let filler = disk.appendingPathComponent("filler")
            _ = try command("sh", "-c", "dd if=/dev/zero of='\(filler.path)' bs=64k 2>/dev/null || true")
            say("round \(round): disk is full")
            try await eventually("a worker to say so") {
                fleet.workers.indices.contains { fleet.output(ofWorker: $0, "err").contains("DTQ1006") }
            }
            try await Task.sleep(for: .seconds(isLong ? 10 : 3))
            try FileManager.default.removeItem(at: filler)
            note(Injection(.diskFull, worker: nil, from: start, to: .now))
            say("room again after \(Timestamp.now.since(start) / .milliseconds(1)) ms")
            try await waitUntilServed()
            try await waitForProgress(60)
        }
    }

    func deleteCopies() async throws {
        for round in 1...(isLong ? 5 : 2) {
            var start = Timestamp.now
            for seat in seats.indices { try removeCopies(of: seat) }
            say("round \(round): deleted the copies of all workers under them")
            try await waitForProgress(60)
            note(Injection(.copyDeleted, worker: nil, from: start, to: .now))
            // And where a worker starts again without them.
            start = .now
            let seat = round % seats.count
            note(Injection(.killed, worker: seats[seat].processIdentifier, from: killWorker(seat)))
            try removeCopies(of: seat)
            try startWorker(seat)
            try await waitUntilServed()
            try await waitForProgress(30)
        }
    }

    /// Their files, not the lock that says whose directory it is.
    private func removeCopies(of seat: Int) throws {
        let directory = copies(seat)
        for name in try FileManager.default.contentsOfDirectory(atPath: directory.path)
        where name.hasPrefix("copy-") {
            try? FileManager.default.removeItem(at: directory.appendingPathComponent(name))
        }
    }

    private func command(_ words: String...) throws -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = words
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}
