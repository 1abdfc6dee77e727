import Dispatch
import DurableCLI

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The process's own three streams.
enum StandardStreams {
    static var terminal: CommandEnvironment.Terminal {
        CommandEnvironment.Terminal(isInput: isatty(0) == 1, isOutput: isatty(1) == 1, isError: isatty(2) == 1)
    }

    /// Writes all of `text` at once, unbuffered; gives up when the reader is gone.
    static func write(_ text: String, to descriptor: Int32) {
        var text = text
        text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while let start = rest.baseAddress, !rest.isEmpty {
                #if canImport(Glibc)
                    let count = Glibc.write(descriptor, start, rest.count)
                #else
                    let count = Darwin.write(descriptor, start, rest.count)
                #endif
                if count < 0 && errno == EINTR { continue }
                if count <= 0 { return }
                rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
            }
        }
    }

    struct ReadError: Error, CustomStringConvertible {
        var number: Int32
        var description: String { "standard input cannot be read: \(String(cString: strerror(number)))" }
    }

    /// Reading blocks, so it has a queue of its own.
    private static let reader = DispatchQueue(label: "standard input")

    /// Next bytes of standard input, as soon as there are some; nil at its end.
    @Sendable static func read() async throws -> [UInt8]? {
        try await withCheckedThrowingContinuation { continuation in
            reader.async {
                var number: Int32 = 0
                let bytes = [UInt8](unsafeUninitializedCapacity: 1 << 16) { buffer, count in
                    var result = -1
                    repeat {
                        #if canImport(Glibc)
                            result = Glibc.read(0, buffer.baseAddress, buffer.count)
                        #else
                            result = Darwin.read(0, buffer.baseAddress, buffer.count)
                        #endif
                    } while result < 0 && errno == EINTR
                    if result < 0 { number = errno }
                    count = max(0, result)
                }
                if number != 0 { return continuation.resume(throwing: ReadError(number: number)) }
                continuation.resume(returning: bytes.isEmpty ? nil : bytes)
            }
        }
    }
}
