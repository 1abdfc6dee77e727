import DurableCore
import DurableTask

/// What an orchestration says on its way, replayed lines included.
final class Trace: Sendable {
    private let state = PlatformLock((lines: [String](), fresh: 0))

    var lines: [String] { state.withLock { $0.lines } }
    /// Lines said while not replaying.
    var freshCount: Int { state.withLock { $0.fresh } }

    func say(_ line: String, _ context: OrchestrationContext) {
        let isReplaying = context.isReplaying
        state.withLock {
            $0.lines.append(line)
            if !isReplaying { $0.fresh += 1 }
        }
    }

    /// Calls the activity that echoes its input, with a line before and after.
    func echo(_ name: String, _ context: OrchestrationContext) async throws -> String {
        say("start \(name)", context)
        do {
            let result: String = try await context.callActivity(name, name)
            say("end \(name)", context)
            return result
        } catch {
            say("error \(name) \(error)", context)
            throw error
        }
    }
}
