import Foundation

extension PayloadOptions {
    /// What environment variables say, as the worker program and `dtq` read them:
    ///
    /// - `DTQ_PAYLOAD_KEYS`: a file of keys (see `PayloadKeys`); payloads are encrypted.
    /// - `DTQ_PAYLOAD_STORE`: a directory; large payloads are kept there.
    ///
    /// Without them payloads are plain JSON within messages and histories.
    ///
    /// - Parameter variables: Instead of this process's.
    /// - Throws: `PayloadKeysError`; its text holds no key.
    public static func environment(
        _ variables: [String: String]? = nil
    ) throws -> PayloadOptions {
        let variables = variables ?? ProcessInfo.processInfo.environment
        var options = PayloadOptions()
        if let path = variables["DTQ_PAYLOAD_KEYS"], !path.isEmpty {
            options.codecs = [PayloadEncryption(try PayloadKeys(file: path))]
        }
        if let path = variables["DTQ_PAYLOAD_STORE"], !path.isEmpty {
            options.store = FileSystemPayloadStore(directory: path)
        }
        return options
    }
}
