package import DurableBackend
import DurableCore

extension HubAdministration {
    /// Compares what the broker holds with what this hub must have, without changing anything.
    ///
    /// Bindings cannot be read through AMQP: `create` declares them again.
    ///
    /// - Returns: In the order of the topology; empty when all is as it should be.
    /// - Throws: `ClientError` DTQ1001 when there is no such hub.
    package func verify() async throws -> [TopologyDifference] {
        let descriptor = try await descriptor()
        var everything = descriptor.topology.everythingButLogs
        for stream in try await logStreams(of: descriptor) {
            for name in [stream.name] + stream.archive { everything += descriptor.topology.log(name) }
        }
        do throws(TransportError) {
            return try await transport.differences(from: everything)
        } catch {
            throw ClientError.wrapping(error, "cannot verify hub \"\(hub)\"")
        }
    }
}
