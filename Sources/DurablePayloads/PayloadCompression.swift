import CZlib
import DurableCore

/// Compresses payloads with zlib (RFC 1950), where that makes them smaller.
public struct PayloadCompression: PayloadCodec {
    static let codecName = PayloadEnvelope.CodecName.compression
    private let minimumSize: Int
    private let sizeLimit: Int

    /// - Parameters:
    ///   - minimumSize: Smaller payloads stay as they are; in bytes, 1 KiB unless said otherwise.
    ///   - sizeLimit: A payload that would become larger than this when it is read is refused; in bytes, 64 MiB unless
    ///     said otherwise.
    public init(minimumSize: Int = 1 << 10, sizeLimit: Int = 64 << 20) {
        self.minimumSize = minimumSize
        self.sizeLimit = sizeLimit
    }

    public var name: String { Self.codecName }

    public func encode(_ content: [UInt8]) throws -> EncodedPayload? {
        guard content.count >= max(minimumSize, 1) else { return nil }
        var size = compressBound(uLong(content.count))
        var status = Z_OK
        let compressed = [UInt8](unsafeUninitializedCapacity: Int(size)) { buffer, count in
            // JSON shrinks to much the same at every level, and this runs beside orchestrations: the fastest.
            status = compress2(buffer.baseAddress, &size, content, uLong(content.count), Z_BEST_SPEED)
            count = status == Z_OK ? Int(size) : 0
        }
        guard status == Z_OK else {
            throw PayloadCodecError(isCurable: true, reason: "zlib cannot compress it (status \(status))")
        }
        let encoded = EncodedPayload(parameters: Self.parameters(content.count), content: compressed)
        // With what its envelope takes.
        return compressed.count + encoded.parameters.count + 16 < content.count ? encoded : nil
    }

    public func decode(_ encoded: EncodedPayload) throws -> [UInt8] {
        guard let size = Self.size(encoded.parameters) else { throw Self.damaged("it does not say how large it was") }
        // Before any memory is taken for it. No zlib stream grows by more than 1032 times.
        guard size <= sizeLimit, size <= encoded.content.count * 1032 + 64 else {
            throw Self.damaged("it claims to be \(size) bytes, which is too many (limit \(sizeLimit))")
        }
        var status = Z_OK
        var (produced, consumed) = (uLong(size), uLong(encoded.content.count))
        // Never empty: zlib needs somewhere to write.
        let content = [UInt8](unsafeUninitializedCapacity: max(size, 1)) { buffer, count in
            status = uncompress2(buffer.baseAddress, &produced, encoded.content, &consumed)
            count = status == Z_OK ? Int(produced) : 0
        }
        guard status == Z_OK, content.count == size, consumed == encoded.content.count else {
            throw Self.damaged("it is no zlib stream of \(size) bytes")
        }
        return content
    }

    private static func parameters(_ size: Int) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: UInt64(size) >> (56 - 8 * UInt64($0))) }
    }

    /// In bytes before compression; nil: the parameters are not this codec's.
    private static func size(_ parameters: [UInt8]) -> Int? {
        guard parameters.count == 8 else { return nil }
        return Int(exactly: parameters.reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    }

    private static func damaged(_ what: String) -> PayloadCodecError {
        PayloadCodecError(isCurable: false, reason: "its compressed bytes are damaged: \(what)")
    }
}
