package import DurableBackend
package import DurableCore

/// What starts instances, sends them events, and asks about them. Any number of tasks may use one.
///
/// Call `close()` when done; the transport stays the caller's.
package final class HubClient: Sendable {
    package let descriptor: HubDescriptor
    package let topology: HubTopology
    package let transport: any MessageTransport
    package let clock: any EngineClock
    package let options: ClientOptions
    /// How inputs and data are written, and how outputs are read.
    package let payloads: any PayloadAccess
    let replies: ReplyDesk
    let makeID: @Sendable () -> String

    /// Reads the hub's descriptor and checks that this version can work with it.
    ///
    /// - Parameters:
    ///   - makePayloads: How payloads are written and read; given the hub's ID.
    ///   - makeID: Gives message IDs and instance IDs, each unique: UUIDs.
    /// - Throws: `ClientError` DTQ1001 when there is no such hub, DTQ1002 when it is of a newer format.
    package static func connect(
        transport: any MessageTransport, hub: HubName, clock: any EngineClock,
        options: ClientOptions = ClientOptions(),
        payloads makePayloads: (_ hubID: String) -> any PayloadAccess = { _ in PlainPayloads() },
        makeID: @escaping @Sendable () -> String = RandomID.make
    ) async throws -> HubClient {
        let reader = DescriptorReader(transport: transport, hub: hub, clock: clock)
        guard let descriptor = try await reader.read() else {
            throw ClientError(
                .hubNotFound,
                "hub \"\(hub)\" is not on this broker. Nothing was sent. "
                    + "Create it with `dtq hub create --hub \(hub)`.")
        }
        return HubClient(
            descriptor: descriptor, transport: transport, clock: clock, options: options,
            payloads: makePayloads(descriptor.hubID), makeID: makeID)
    }

    package init(
        descriptor: HubDescriptor, transport: any MessageTransport, clock: any EngineClock,
        options: ClientOptions = ClientOptions(), payloads: any PayloadAccess = PlainPayloads(),
        makeID: @escaping @Sendable () -> String = RandomID.make
    ) {
        self.descriptor = descriptor
        self.transport = transport
        self.clock = clock
        self.options = options
        self.payloads = payloads
        self.makeID = makeID
        topology = descriptor.topology
        replies = ReplyDesk(transport: transport, topology: topology, clock: clock, routingKey: makeID())
    }

    deinit { replies.abandon() }

    /// Ends the private reply queue. Idempotent.
    package func close() async { await replies.close() }

    package var hub: HubName { descriptor.hub }

    package func partition(of id: InstanceID) -> PartitionID { id.partition(of: descriptor.partitionCount) }
}
