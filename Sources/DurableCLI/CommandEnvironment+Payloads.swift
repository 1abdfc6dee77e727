import DurableClient
import DurablePayloads

extension CommandEnvironment {
    /// How payloads are written and read, as `DTQ_PAYLOAD_KEYS` and `DTQ_PAYLOAD_STORE` say.
    ///
    /// - Throws: `ClientError` DTQ5003 when the file of keys cannot be used.
    func payloadOptions() async throws -> PayloadOptions {
        var options = PayloadOptions()
        if let path = variables["DTQ_PAYLOAD_KEYS"], !path.isEmpty {
            let file = "file \(TerminalText.safe(path)) of DTQ_PAYLOAD_KEYS"
            let bytes: [UInt8]
            do {
                bytes = try await readFile(absolutePath(path))
            } catch {
                throw ClientError.usage("\(file) cannot be read: \(error).")
            }
            do {
                options.codecs = [PayloadEncryption(try PayloadKeys(text: String(decoding: bytes, as: UTF8.self)))]
            } catch {
                throw ClientError.usage("\(file) holds no keys: \(error).")
            }
        }
        if let path = variables["DTQ_PAYLOAD_STORE"], !path.isEmpty {
            options.store = FileSystemPayloadStore(directory: absolutePath(path))
        }
        return options
    }
}
