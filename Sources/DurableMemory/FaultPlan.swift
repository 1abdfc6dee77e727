package import DurableBackend

/// Decides, call by call, what goes wrong between transports and their broker.
package struct FaultPlan: Sendable {
    package enum Fault: Hashable, Sendable {
        case none
        /// The connection ends before the broker sees the call.
        case cutBefore
        /// The broker carries the call out, then the connection ends: its answer (a confirm, say) is lost.
        case cutAfter
        /// The call reaches the broker later. Acknowledgements, which never wait, are not delayed.
        case delay(Duration)
        /// The broker refuses all messages of a publish call (basic.nack), whether it has taken them or not. Other
        /// calls take no notice.
        case reject(isTaken: Bool)
        /// The same for some messages of a publish call, those whose bit is set, 64 in turn; the others are taken.
        case rejectSome(UInt64)
    }

    package enum Call: Hashable, Sendable {
        case publish([OutgoingMessage])
        case openChannel
        case consume(queue: String)
        case cancel(consumerTag: String)
        case declarePrivateQueue(String)
        case acknowledge(DeliveryTag, multiple: Bool)
        case reject(DeliveryTag, requeue: Bool)
        case inspect(queue: String)
        case declare
        case exchangeExists(String)
        case delete
        case get(queue: String)
    }

    package struct Point: Hashable, Sendable {
        /// Counts all calls of all transports, from 1.
        package var number: Int
        /// Name of the transport that calls.
        package var transport: String
        package var call: Call
    }

    /// Called outside the broker's lock, once a call.
    package var decide: @Sendable (Point) -> Fault

    package init(_ decide: @escaping @Sendable (Point) -> Fault) { self.decide = decide }

    package static let none = FaultPlan { _ in .none }

    /// Does `fault` to one call, by its number, and nothing to the others.
    package static func at(call number: Int, _ fault: Fault) -> FaultPlan {
        FaultPlan { $0.number == number ? fault : .none }
    }
}
