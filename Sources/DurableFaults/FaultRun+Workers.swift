internal import DurableCore
internal import Foundation

/// Faults of workers.
extension FaultRun {
    private func mostBurdenedSeat() -> Int {
        let owners = owners()
        return seats.indices.max { partitionCount(ofSeat: $0, owners) < partitionCount(ofSeat: $1, owners) } ?? 0
    }

    func killWorkers() async throws {
        for round in 1...(isLong ? 50 : 4) {
            let seat = mostBurdenedSeat()
            let worker = seats[seat].processIdentifier
            let time = killWorker(seat)
            note(Injection(.killed, worker: worker, from: time))
            say("round \(round): killed worker \(worker)")
            try await waitUntilServed()
            // A partition without a stand-by has been hit twice, not once.
            try await waitForStandBys(since: time)
            try startWorker(seat)
        }
        for round in 1...(isLong ? 5 : 1) {
            let time = Timestamp.now
            for seat in seats.indices {
                kill(seats[seat].processIdentifier, SIGKILL)
                note(Injection(.killedTogether, worker: seats[seat].processIdentifier, from: time, to: .now))
            }
            for seat in seats.indices { seats[seat].waitUntilExit() }
            say("storm \(round): killed all workers")
            for seat in seats.indices { try startWorker(seat) }
            try await waitUntilServed()
            try await waitForProgress(20)
        }
    }

    func freezeWorkers() async throws {
        for round in 1...(isLong ? 5 : 1) {
            let seat = mostBurdenedSeat()
            let worker = seats[seat].processIdentifier
            let start = Timestamp.now
            kill(worker, SIGSTOP)
            say("round \(round): froze worker \(worker)")
            do {
                try await waitUntilServed(except: worker)
            } catch {
                kill(worker, SIGCONT)
                throw error
            }
            // Let the others get on, so that what the frozen one does next comes late.
            try await Task.sleep(for: .seconds(2))
            kill(worker, SIGCONT)
            // It needs a moment to notice.
            note(Injection(.frozen, worker: worker, from: start, to: .now + .seconds(1)))
            try await waitForProgress(60)
            if !seats[seat].isRunning {
                notes.append("the worker that was frozen ended with \(seats[seat].terminationStatus)")
                try startWorker(seat)
            }
        }
    }

    func drainWorkers() async throws {
        for round in 1...(isLong ? 5 : 2) {
            for seat in seats.indices {
                let leaver = seats[seat]
                let index = fleet.workers.firstIndex { $0 === leaver } ?? 0
                if (round + seat) % 2 == 0 {
                    kill(leaver.processIdentifier, SIGTERM)
                } else {
                    guard let name = try fleet.reports().first(where: { $0.isOf(leaver) })?.worker else {
                        throw Fleet.CommandFailed(text: "worker \(leaver.processIdentifier) does not answer")
                    }
                    try fleet.dtq("drain", name, "--yes")
                }
                leaver.waitUntilExit()
                let receipt = fleet.output(ofWorker: index).trimmingCharacters(in: .whitespacesAndNewlines)
                say("round \(round): worker \(leaver.processIdentifier) left: \(receipt)")
                if leaver.terminationStatus != 0 || !receipt.contains(#""cancelled":0"#) {
                    failures.append("drain: exit \(leaver.terminationStatus), receipt \(receipt)")
                }
                try startWorker(seat)
                try await waitUntilServed()
                try await waitForProgress(30)
            }
        }
    }

    func exchangeBuilds() async throws {
        if Build.previous.program == Build.present.program {
            notes.append("no previous build given (DTQ_FAULTS_PREVIOUS): this one under two names")
        }
        for round in 1...(isLong ? 4 : 2) {
            build = round % 2 == 1 ? .present : .previous
            for seat in seats.indices {
                kill(seats[seat].processIdentifier, SIGTERM)
                seats[seat].waitUntilExit()
                if seats[seat].terminationStatus != 0 {
                    failures.append("drain: exit \(seats[seat].terminationStatus)")
                }
                try startWorker(seat)
                try await waitUntilServed()
                try await waitForProgress(40)
                try noteHeldInstances()
            }
            say("round \(round): all workers are of the \(build.name) build")
        }
    }

    private func noteHeldInstances() throws {
        let held = try fleet.reports().flatMap(\.partitions).reduce(0) { $0 + $1.heldInstances }
        if held > 0 { failures.append("held instances: \(held)") }
    }
}
