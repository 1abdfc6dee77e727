package import DurableBackend

/// What every `MessageTransport` must do; the same cases run on each adapter.
package enum TransportRule: String, CaseIterable, Sendable {
    // Publishing
    case publishedMessagesKeepTheirOrder
    case unroutableMessageIsReturned
    case publishToMissingExchangeFails
    case exchangesRouteByTheirKind
    case largeBodySurvives
    case propertiesAndHeadersSurvive
    case outcomesMatchTheirMessages
    case missingExchangeLeavesFateUnknown
    case unsendableMessageKeepsNothingBack
    // Consuming
    case acknowledgedMessageIsGone
    case multipleAcknowledgesEverythingBefore
    case prefetchBoundsUnacknowledged
    case consumersShareAQueue
    case twoQueuesShareAChannel
    case channelCloseReturnsInOrder
    case deliveryCountGrows
    case deliveryLimitMovesAside
    case rejectedMessageGoesToDeadLetters
    case requeuedMessageKeepsItsPlace
    case expiredMessageGoesToDeadLetters
    case lateAcknowledgementIsHarmless
    case requeueWithoutLimitGoesToTheTail
    case deliveriesAreCounted
    case exclusiveConsumerKeepsOthersOut
    case acknowledgingTwiceEndsTheChannel
    case consumerTagIsUsedOnce
    case cancelledConsumerKeepsWhatItHolds
    // Expiry
    case expiryWaitsForTheHead
    case expiryTakesNoTimeAtZero
    case heldMessageDoesNotExpire
    case takenMessageDoesNotExpire
    case deadLettersTellTheirFirstDeath
    // Ownership
    case standbyGetsNothing
    case takeoverBeginsWithUnacknowledged
    case standbyLearnsByItsFirstDelivery
    case takeoverKeepsOrderThroughDeaths
    // Streams
    case streamOffsetsFollowWithinASegment
    case streamStartsWhereAsked
    case streamReadersEachSeeEverything
    case streamOffsetBeyondTheEndWaits
    case streamTakesNothingBack
    case streamDropsItsOldest
    // Topology
    case declareTwiceIsFine
    case declareWithOtherPropertiesIsRefused
    case bindingToMissingQueueFails
    case consumeOfMissingQueueFails
    case privateQueueEndsWithItsChannel
    case inspectCountsReadyAndConsumers
    case getTakesOrPeeks
    case deleteIsIdempotent
    case privateQueueIsNobodyElses
    // Ends
    case channelCloseEndsItsSequence
    case transportCloseEndsEverything
    case deletedQueueEndsItsConsumers
    case restartKeepsWhatIsDurable

    /// Runs the rule against a fresh broker, or a shared one: it uses names of its own and removes what it made.
    ///
    /// - Parameters:
    ///   - clock: What the rule waits by; what a broker does on its own time must follow the same one.
    ///   - uniqueName: Keeps this run's names apart from those of other runs on the same broker; nil: a random one.
    ///   - restart: Stops the broker and starts it again; nil where nobody may, which leaves
    ///   `restartKeepsWhatIsDurable`
    ///     out.
    ///   - makeTransport: Two transports on the same broker, which the rule closes.
    /// - Throws: `RuleViolation`, or the transport's own error where none was expected.
    package func verify(
        clock: any EngineClock = SystemClock(), uniqueName: String? = nil,
        restart: (@Sendable () async throws -> Void)? = nil,
        makeTransport: @Sendable () async throws -> TransportPair
    ) async throws {
        let uniqueName = uniqueName ?? String(UInt64.random(in: .min ... .max), radix: 36)
        let bench = TransportBench(try await makeTransport(), rule: self, clock: clock, uniqueName: uniqueName)
        do {
            try await bench.prepare()
            try await run(on: bench, restart)
        } catch {
            await bench.tearDown()
            throw RuleViolation("\(rawValue): \(error)")
        }
        await bench.tearDown()
    }

    private func run(
        on bench: TransportBench, _ restart: (@Sendable () async throws -> Void)?
    ) async throws {
        switch self {
        case .publishedMessagesKeepTheirOrder: try await bench.publishedMessagesKeepTheirOrder()
        case .unroutableMessageIsReturned: try await bench.unroutableMessageIsReturned()
        case .publishToMissingExchangeFails: try await bench.publishToMissingExchangeFails()
        case .exchangesRouteByTheirKind: try await bench.exchangesRouteByTheirKind()
        case .largeBodySurvives: try await bench.largeBodySurvives()
        case .propertiesAndHeadersSurvive: try await bench.propertiesAndHeadersSurvive()
        case .outcomesMatchTheirMessages: try await bench.outcomesMatchTheirMessages()
        case .missingExchangeLeavesFateUnknown: try await bench.missingExchangeLeavesFateUnknown()
        case .unsendableMessageKeepsNothingBack: try await bench.unsendableMessageKeepsNothingBack()
        case .acknowledgedMessageIsGone: try await bench.acknowledgedMessageIsGone()
        case .multipleAcknowledgesEverythingBefore: try await bench.multipleAcknowledgesEverythingBefore()
        case .prefetchBoundsUnacknowledged: try await bench.prefetchBoundsUnacknowledged()
        case .consumersShareAQueue: try await bench.consumersShareAQueue()
        case .twoQueuesShareAChannel: try await bench.twoQueuesShareAChannel()
        case .channelCloseReturnsInOrder: try await bench.channelCloseReturnsInOrder()
        case .deliveryCountGrows: try await bench.deliveryCountGrows()
        case .deliveryLimitMovesAside: try await bench.deliveryLimitMovesAside()
        case .rejectedMessageGoesToDeadLetters: try await bench.rejectedMessageGoesToDeadLetters()
        case .requeuedMessageKeepsItsPlace: try await bench.requeuedMessageKeepsItsPlace()
        case .expiredMessageGoesToDeadLetters: try await bench.expiredMessageGoesToDeadLetters()
        case .lateAcknowledgementIsHarmless: try await bench.lateAcknowledgementIsHarmless()
        case .requeueWithoutLimitGoesToTheTail: try await bench.requeueWithoutLimitGoesToTheTail()
        case .deliveriesAreCounted: try await bench.deliveriesAreCounted()
        case .exclusiveConsumerKeepsOthersOut: try await bench.exclusiveConsumerKeepsOthersOut()
        case .acknowledgingTwiceEndsTheChannel: try await bench.acknowledgingTwiceEndsTheChannel()
        case .consumerTagIsUsedOnce: try await bench.consumerTagIsUsedOnce()
        case .cancelledConsumerKeepsWhatItHolds: try await bench.cancelledConsumerKeepsWhatItHolds()
        case .expiryWaitsForTheHead: try await bench.expiryWaitsForTheHead()
        case .expiryTakesNoTimeAtZero: try await bench.expiryTakesNoTimeAtZero()
        case .heldMessageDoesNotExpire: try await bench.heldMessageDoesNotExpire()
        case .takenMessageDoesNotExpire: try await bench.takenMessageDoesNotExpire()
        case .deadLettersTellTheirFirstDeath: try await bench.deadLettersTellTheirFirstDeath()
        case .standbyGetsNothing: try await bench.standbyGetsNothing()
        case .takeoverBeginsWithUnacknowledged: try await bench.takeoverBeginsWithUnacknowledged()
        case .standbyLearnsByItsFirstDelivery: try await bench.standbyLearnsByItsFirstDelivery()
        case .takeoverKeepsOrderThroughDeaths: try await bench.takeoverKeepsOrderThroughDeaths()
        case .streamOffsetsFollowWithinASegment: try await bench.streamOffsetsFollowWithinASegment()
        case .streamStartsWhereAsked: try await bench.streamStartsWhereAsked()
        case .streamReadersEachSeeEverything: try await bench.streamReadersEachSeeEverything()
        case .streamOffsetBeyondTheEndWaits: try await bench.streamOffsetBeyondTheEndWaits()
        case .streamTakesNothingBack: try await bench.streamTakesNothingBack()
        case .streamDropsItsOldest: try await bench.streamDropsItsOldest()
        case .declareTwiceIsFine: try await bench.declareTwiceIsFine()
        case .declareWithOtherPropertiesIsRefused: try await bench.declareWithOtherPropertiesIsRefused()
        case .bindingToMissingQueueFails: try await bench.bindingToMissingQueueFails()
        case .consumeOfMissingQueueFails: try await bench.consumeOfMissingQueueFails()
        case .privateQueueEndsWithItsChannel: try await bench.privateQueueEndsWithItsChannel()
        case .inspectCountsReadyAndConsumers: try await bench.inspectCountsReadyAndConsumers()
        case .getTakesOrPeeks: try await bench.getTakesOrPeeks()
        case .deleteIsIdempotent: try await bench.deleteIsIdempotent()
        case .privateQueueIsNobodyElses: try await bench.privateQueueIsNobodyElses()
        case .channelCloseEndsItsSequence: try await bench.channelCloseEndsItsSequence()
        case .transportCloseEndsEverything: try await bench.transportCloseEndsEverything()
        case .deletedQueueEndsItsConsumers: try await bench.deletedQueueEndsItsConsumers()
        case .restartKeepsWhatIsDurable:
            if let restart { try await bench.restartKeepsWhatIsDurable(restart) }
        }
    }
}

/// Two clients of one broker.
package struct TransportPair: Sendable {
    package var first: any MessageTransport
    package var second: any MessageTransport
    package init(first: any MessageTransport, second: any MessageTransport) {
        self.first = first
        self.second = second
    }
}
