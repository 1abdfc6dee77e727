import DurableBackend
import Logging

/// Messages above a gap in their origin's sequence, which wait in hand for what closes it.
extension PartitionProcessor {
    /// Whether held-back messages take so much of the prefetch that what closes their gap may never be delivered.
    var holdsTooMuch: Bool { heldBack.count * 2 >= parts.configuration.controlPrefetch }

    /// Sends held-back messages to the end of the queue, behind what they wait for, when they crowd the rest out. Their
    /// gap may stay open for long: no more than a few times a second.
    func putBackHeld(at now: Duration) {
        guard holdsTooMuch, now >= putBackDue else { return }
        putBackDue = now + .milliseconds(200)
        let items = heldBack.map { delivery in
            PublishLane<PublishKey>.Item(
                key: .putBack(delivery.tag),
                message: OutgoingMessage(
                    exchange: delivery.exchange, routingKey: delivery.routingKey, properties: delivery.properties,
                    body: delivery.body))
        }
        logger.debug("\(heldBack.count) messages above a gap go to the end of the queue")
        heldBack = []
        reliableLane.submit(items)
    }
}
