internal import DurableBackend

/// Identity of a channel over the life of the process; channel numbers are reused, these are not.
struct ChannelID: Hashable, Sendable { var value: UInt64 }

/// What other threads ask of a connection's thread.
enum ConnectionCommand: Sendable {
    case publish(PublishBatch)
    /// The batch's caller has gone; what was not sent shall not be.
    case withdraw(PublishBatch)
    /// `deliveries`: where the channel's deliveries go; nil for a channel without consumers.
    case open(deliveries: DeliverySequence?, Waiter<ChannelID>, connectedBy: ContinuousClock.Instant)
    /// Sends the methods together; the answer to the last one answers the caller.
    case call(ChannelID, [ClientMethod], Waiter<ServerReply>)
    case send(ChannelID, ClientMethod)
    case closeChannel(ChannelID, Waiter<ServerReply>?)
    case shutDown

    /// Answers whoever waits for this command with an error.
    func refuse(_ error: TransportError) {
        switch self {
        case .publish(let batch): batch.waiter.resolve(.failure(error))
        case .open(let deliveries, let waiter, _):
            waiter.resolve(.failure(error))
            deliveries?.finish(throwing: error)
        case .call(_, _, let waiter): waiter.resolve(.failure(error))
        case .closeChannel(_, let waiter): waiter?.resolve(.failure(error))
        case .withdraw, .send, .shutDown: break
        }
    }
}
