import DurableClient
import DurableCore
import DurableJSON

/// Reads what `--input` names: JSON itself, `@FILE`, or `-` for standard input.
enum PayloadArgument {
    /// Nobody needs more; the client's own limit is lower.
    private static let readLimit = 64 << 20

    /// - Returns: The bytes as given, without white space around them; nil when `text` is nil.
    /// - Throws: `ClientError` DTQ5003 when it is no JSON or cannot be read.
    static func read(_ text: String?, option: String, _ environment: CommandEnvironment) async throws -> Payload? {
        guard let text else { return nil }
        var bytes: [UInt8]
        var source = option
        if text == "-" {
            bytes = []
            source = "standard input"
            while let more = try await environment.readInput() {
                bytes += more
                if bytes.count > readLimit { throw ClientError.usage("\(source) holds more than 64 MiB.") }
            }
        } else if text.hasPrefix("@") {
            let path = String(text.dropFirst())
            source = "file \(TerminalText.safe(path))"
            do {
                bytes = try await environment.readFile(environment.absolutePath(path))
            } catch {
                throw ClientError.usage("\(source) of \(option) cannot be read: \(error).")
            }
        } else {
            bytes = Array(text.utf8)
        }
        do throws(JSONError) {
            _ = try JSONParser.parse(bytes)
        } catch {
            throw ClientError.usage(
                "\(source) is no JSON: \(error). A text needs double quotes inside the shell's: "
                    + "\(option) '\"text\"'.")
        }
        let isSpace = { (byte: UInt8) in byte == 0x20 || (0x09...0x0d).contains(byte) }
        let start = bytes.firstIndex { !isSpace($0) } ?? bytes.endIndex
        let end = bytes.lastIndex { !isSpace($0) }.map { $0 + 1 } ?? start
        return Payload(Array(bytes[start..<end]))
    }
}
