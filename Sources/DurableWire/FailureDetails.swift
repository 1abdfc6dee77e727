internal import DurableCore
internal import SwiftProtobuf

extension PBFailureDetails {
    /// Most causes written and read; what lies deeper is cut off.
    static let maximumDepth = 16

    init(_ failure: FailureDetails) {
        var inner: PBFailureDetails?
        for cause in failure.chain.reversed() {
            var wire = PBFailureDetails()
            wire.errorType = cause.errorType
            wire.errorMessage = cause.message
            if let stackTrace = cause.stackTrace { wire.stackTrace = Google_Protobuf_StringValue(text: stackTrace) }
            wire.isNonRetriable = cause.isNonRetryable
            if let inner { wire.innerFailure = inner }
            inner = wire
        }
        self = inner ?? PBFailureDetails()
    }
}

extension FailureDetails {
    init(_ wire: PBFailureDetails) {
        self.init(shallow: wire)
        var next = wire
        while next.hasInnerFailure && cause.count < PBFailureDetails.maximumDepth {
            next = next.innerFailure
            cause.append(FailureDetails(shallow: next))
        }
    }

    private init(shallow wire: PBFailureDetails) {
        self.init(
            errorType: wire.errorType, message: wire.errorMessage,
            stackTrace: wire.hasStackTrace ? wire.stackTrace.value : nil, isNonRetryable: wire.isNonRetriable)
    }

    /// This failure and its causes, innermost last; causes of causes in between, where someone nested them.
    fileprivate var chain: [FailureDetails] {
        var chain: [FailureDetails] = []
        var open = [self]
        while let next = open.popLast(), chain.count <= PBFailureDetails.maximumDepth {
            chain.append(next)
            open.append(contentsOf: next.cause.reversed())
        }
        return chain
    }
}
