import DurableClient
import DurablePayloads

extension CommandEnvironment {
    /// How payloads are written and read, as `DTQ_PAYLOAD_KEYS` and `DTQ_PAYLOAD_STORE` say.
    ///
    /// - Throws: `ClientError` DTQ5003 when the file of keys cannot be used.
    func payloadOptions() throws -> PayloadOptions {
        do {
            return try .environment(variables, place: absolutePath)
        } catch let error as PayloadKeysError {
            throw ClientError.usage("\(TerminalText.safe(error.description)).")
        }
    }
}
