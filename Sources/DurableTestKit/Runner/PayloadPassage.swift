import DurableBackend
import DurableCore
import DurablePayloads

/// Takes payloads through the codecs and back, at each place where a worker or a client would write and read them. What
/// would go to the store goes through memory.
struct PayloadPassage {
    private let pipeline: PayloadPipeline

    init(_ options: PayloadOptions) { pipeline = PayloadPipeline(options, hubID: "test") }

    /// - Throws: `OrchestrationTestError.Code.payloadUnusable`.
    func pass(_ payload: Payload?, of instance: InstanceID, _ what: String) throws(OrchestrationTestError) -> Payload? {
        guard let payload else { return nil }
        do {
            let sealed = try pipeline.seal(payload, for: PayloadOwner(instance, ExecutionID("test")))
            switch try pipeline.open(sealed.content.map { Payload($0.bytes) } ?? sealed.payload) {
            case .payload(let opened): return opened
            case .stored: return payload
            }
        } catch {
            throw OrchestrationTestError(
                .payloadUnusable, instance,
                "\(error.code) instance \"\(instance)\": \(what): \(error.reason). \(error.remedy)")
        }
    }

    func pass(
        _ actions: [OrchestratorAction], of instance: InstanceID
    ) throws(OrchestrationTestError) -> [OrchestratorAction] {
        var passed = actions
        for index in passed.indices where passed[index].payload != nil {
            passed[index].payload = try pass(passed[index].payload, of: instance, passed[index].payloadDescription)
        }
        return passed
    }

    func pass(
        _ outcome: EntityOutcome, of operation: EntityTurn.Operation, _ id: EntityID
    ) throws(OrchestrationTestError) -> EntityOutcome {
        var passed = outcome
        let (instance, subject) = (id.instanceID, "operation \"\(operation.name)\" of \(id)")
        passed.state = try pass(outcome.state, of: instance, "the state after \(subject)")
        if case .completed(let output) = outcome.result {
            passed.result = .completed(try pass(output, of: instance, "the result of \(subject)"))
        }
        for index in passed.sent.indices {
            switch passed.sent[index] {
            case .signal(let target, let name, let input):
                let input = try pass(input, of: instance, "the input of operation \"\(name)\" of \(target)")
                passed.sent[index] = .signal(target, operation: name, input: input)
            case .start(var child):
                child.input = try pass(child.input, of: instance, "the input of orchestration \"\(child.name)\"")
                passed.sent[index] = .start(child)
            }
        }
        return passed
    }
}
