import DurableBackend
import DurableCore
public import DurablePayloads

extension OrchestrationHistory {
    /// The history with its payloads opened: what was recorded with codecs or a payload store can be looked at and replayed
    /// then.
    ///
    /// - Parameter options: As of the hub it was recorded on.
    /// - Throws: `OrchestrationTestError.Code.payloadUnusable` when one cannot be opened.
    public func opened(with options: PayloadOptions) async throws -> OrchestrationHistory {
        let pipeline = PayloadPipeline(options, hubID: "test")
        var history = self
        for index in events.indices {
            do {
                history.events[index].payload = try await pipeline.openFully(events[index].payload)
            } catch {
                throw OrchestrationTestError(
                    .payloadUnusable, instanceID,
                    "\(error.code) instance \"\(instanceID)\": a payload of event \(index): \(error.reason). \(error.remedy)"
                )
            }
        }
        return history
    }
}
