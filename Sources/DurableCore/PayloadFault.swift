/// Why a payload could not be opened or sealed.
package struct PayloadFault: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Kind: Hashable, Sendable {
        /// Another worker may be able to, or this one later.
        case unavailable
        /// The bytes are not what they should be; trying again meets the same bytes.
        case unreadable
        /// More bytes than allowed.
        case tooLarge
    }

    package var kind: Kind
    /// `DTQ2018` (codecs), `DTQ2019` (the store) or `DTQ2007`.
    package var code: String
    /// What failed and why, as the end of a sentence about the payload, without its content; then what to do.
    package var reason: String
    package var remedy: String

    package init(_ kind: Kind, _ code: String, _ reason: String, remedy: String) {
        self.kind = kind
        self.code = code
        self.reason = reason
        self.remedy = remedy
    }

    package var description: String { "\(code) \(reason). \(remedy)" }
}
