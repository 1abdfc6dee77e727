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
    public static func environment(_ variables: [String: String]? = nil) throws -> PayloadOptions {
        try environment(variables ?? ProcessInfo.processInfo.environment) { $0 }
    }

    /// - Parameter place: Makes a path as it is given one that can be opened.
    package static func environment(
        _ variables: [String: String], place: (String) -> String
    ) throws -> PayloadOptions {
        func path(_ variable: String) -> String? { variables[variable].flatMap { $0.isEmpty ? nil : place($0) } }
        var options = PayloadOptions()
        if let path = path("DTQ_PAYLOAD_KEYS") {
            do {
                options.codecs = [PayloadEncryption(try PayloadKeys(file: path))]
            } catch let error as PayloadKeysError {
                throw PayloadKeysError("DTQ_PAYLOAD_KEYS: \(error)")
            }
        }
        if let path = path("DTQ_PAYLOAD_STORE") { options.store = FileSystemPayloadStore(directory: path) }
        return options
    }
}
