import DurableBackend
import DurableClient
import DurableCore

extension ClientDriver {
    /// Carries out one plan, a step after the other, and says what must have come of it.
    func carryOut(_ reuse: PlannedReuse) async {
        var last: MessageID?
        var isPurged = false
        for step in reuse.steps {
            switch step {
            case .pause(let duration): await client.clock.sleep(for: duration)
            case .start(let messageID, let input, let choice, let repeats):
                for delay in repeats {
                    start { driver in
                        await driver.client.clock.sleep(for: delay)
                        _ = await driver.start(reuse.id, messageID, input, choice)
                    }
                }
                if await start(reuse.id, messageID, input, choice) == .created { last = messageID }
            case .waitForEnd: await waitForEnd(of: reuse.id)
            case .purge:
                isPurged = true
                _ = try? await client.purge([reuse.id])
            }
        }
        await waitForEnd(of: reuse.id)
        // After a purge a start may come a second time, and find nothing that knows it.
        if isPurged { return }
        let state = hub.witness.instance(reuse.id)?.state
        if state?.startID != last || state?.status != .completed {
            hub.witness.violated(
                "I2: \(last.map(\.value) ?? "nothing") began instance \(reuse.id), "
                    + "\(state?.startID.value ?? "nothing") is there, \(state.map { "\($0.status)" } ?? "absent")")
        }
    }

    /// Until there is a verdict.
    private func start(_ id: InstanceID, _ messageID: MessageID, _ input: Payload?, _ reuse: IDReuse) async -> Verdict {
        while true {
            nextID.set(messageID.value)
            let submission = try? await client.start(
                StartRequest(name: PlannedReuse.orchestration, id: id, input: input, idReuse: reuse))
            if case .verdict(let verdict)? = submission?.outcome {
                let permitted: [Verdict] =
                    reuse.running == .useExisting ? [.created, .exists, .joined] : [.created, .exists]
                if !permitted.contains(verdict) {
                    hub.witness.violated("I2: start \(messageID) was answered with \(verdict)")
                }
                return verdict
            }
            await client.clock.sleep(for: .seconds(1))
        }
    }

    private func waitForEnd(of id: InstanceID) async {
        while true {
            do {
                if case .ended = try await client.wait(for: id, timeout: .seconds(20)) { return }
            } catch {
                if (error as? ClientError)?.code == .instanceNotFound { return }
                await client.clock.sleep(for: .seconds(1))
            }
        }
    }
}
