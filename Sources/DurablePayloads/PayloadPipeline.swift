import Crypto
package import DurableBackend
package import DurableCore

/// What `PayloadOptions` say, done.
package struct PayloadPipeline: PayloadAccess {
    private let hubID: String
    private let writers: [any PayloadCodec]
    private let readers: [String: any PayloadCodec]  // look-up only
    private let payloadStore: (any PayloadStore)?
    private let threshold: Int?
    /// Of what values are.
    private let sizeLimit: Int
    /// Of what codecs make of it: an envelope and what else they add must not make the difference.
    private let encodedLimit: Int
    /// Envelopes within each other, at most.
    private static let depthLimit = 16

    /// - Parameter hubID: What keys of the store begin with.
    package init(_ options: PayloadOptions, hubID: String) {
        self.hubID = hubID
        // References hold sizes up to 2 GiB.
        sizeLimit = min(options.sizeLimit, Int(Int32.max) - Self.overhead)
        encodedLimit = sizeLimit + Self.overhead
        writers = options.codecs
        var readers: [String: any PayloadCodec] = [:]
        for codec in [PayloadCompression()] + options.readers + options.codecs {
            readers[codec.name] = (codec as? PayloadCompression)?.limited(to: encodedLimit) ?? codec
        }
        self.readers = readers
        payloadStore = options.store
        threshold = options.store == nil ? nil : options.storeThreshold
    }

    private static let overhead = 1 << 16

    // MARK: - Writing

    package func encode(_ payload: Payload) throws(PayloadFault) -> Payload {
        if !writers.isEmpty { try checkSize(of: payload) }
        var payload = payload
        for codec in writers {
            do {
                guard let encoded = try codec.encode(payload.bytes) else { continue }
                payload =
                    PayloadEnvelope(.codec, codec.name, parameters: encoded.parameters, content: encoded.content)
                    .payload
            } catch {
                throw fault(of: codec.name, error)
            }
            // It could be written, and not be read.
            if payload.count > encodedLimit {
                throw tooLarge("codec \"\(codec.name)\" made \(payload.count) bytes of it, the limit is \(sizeLimit)")
            }
        }
        return payload
    }

    package func seal(_ payload: Payload, for owner: PayloadOwner) throws(PayloadFault) -> SealedPayload {
        if threshold != nil { try checkSize(of: payload) }
        let payload = try encode(payload)
        guard let threshold, payload.count > threshold else { return SealedPayload(payload) }
        let digest = Array(SHA256.hash(data: payload.bytes))
        let reference = StoredPayload(
            key: "\(StoreKeys.prefix(of: owner, in: hubID))/\(StoreKeys.hexadecimal(digest))", size: payload.count,
            sha256: digest)
        return SealedPayload(
            reference.envelope.payload, content: .init(reference: reference, bytes: payload.bytes))
    }

    /// Nobody would open more.
    private func checkSize(of payload: Payload) throws(PayloadFault) {
        guard payload.count > sizeLimit else { return }
        throw tooLarge("it has \(payload.count) bytes, the limit is \(sizeLimit)")
    }

    package func store(_ content: SealedPayload.Content) async throws(PayloadFault) {
        let store = try self.store()
        do {
            try await store.put(content.bytes, as: content.reference.key)
        } catch {
            throw unavailable("payload store \(store.description) did not take it (\(error))")
        }
    }

    // MARK: - Reading

    package func open(_ payload: Payload) throws(PayloadFault) -> OpenedPayload {
        var payload = payload
        for _ in 0..<Self.depthLimit {
            do {
                guard let envelope = try PayloadEnvelope.read(payload) else { return .payload(payload) }
                switch envelope.layer {
                case .value: return .payload(payload)
                case .reference: return .stored(try StoredPayload(envelope))
                case .codec: payload = try decoded(envelope)
                }
            } catch let fault as PayloadFault {
                throw fault
            } catch {
                throw PayloadFault(
                    .unreadable, "DTQ2018", "its header cannot be read: \(error)",
                    remedy: "Nothing but the bytes that were written opens it; restore them, or terminate the instance")
            }
        }
        throw PayloadFault(
            .unreadable, "DTQ2018", "it is in more than \(Self.depthLimit) envelopes", remedy: "Terminate the instance")
    }

    private func decoded(_ envelope: PayloadEnvelope) throws(PayloadFault) -> Payload {
        guard let codec = readers[envelope.name] else {
            throw PayloadFault(
                .unavailable, "DTQ2018", "it is \(envelope.madeBy), and this process has no codec \"\(envelope.name)\"",
                remedy: Self.remedy)
        }
        let bytes: [UInt8]
        do {
            bytes = try codec.decode(EncodedPayload(parameters: envelope.parameters, content: envelope.content))
        } catch {
            throw fault(of: envelope.name, error)
        }
        let decoded = Payload(bytes)
        guard bytes.count <= (decoded.isInEnvelope ? encodedLimit : sizeLimit) else {
            throw PayloadFault(
                .unreadable, "DTQ2018",
                "codec \"\(envelope.name)\" made \(bytes.count) bytes of it, the limit is \(sizeLimit)",
                remedy: "Raise PayloadOptions.sizeLimit, or terminate the instance")
        }
        return decoded
    }

    package func fetch(_ reference: StoredPayload) async throws(PayloadFault) -> Payload {
        let store = try self.store()
        guard reference.size <= encodedLimit else {
            throw PayloadFault(
                .unreadable, "DTQ2019",
                "it has \(reference.size) bytes in the payload store, the limit is \(sizeLimit)",
                remedy: "Raise PayloadOptions.sizeLimit, or terminate the instance")
        }
        let found: [UInt8]?
        do {
            found = try await store.get(reference.key, size: reference.size)
        } catch {
            throw unavailable("payload store \(store.description) does not give \(reference.key) (\(error))")
        }
        guard let bytes = found else {
            throw unavailable("payload store \(store.description) has no \(reference.key)")
        }
        guard bytes.count == reference.size, Array(SHA256.hash(data: bytes)) == reference.sha256 else {
            let found = bytes.count > reference.size ? "more than \(reference.size)" : "\(bytes.count)"
            throw PayloadFault(
                .unreadable, "DTQ2019",
                "what payload store \(store.description) has under \(reference.key) is damaged (\(found) bytes, "
                    + "\(reference.size) were written)",
                remedy: "Restore it from a backup, or terminate the instance")
        }
        switch try open(Payload(bytes)) {
        case .payload(let payload): return payload
        case .stored:
            throw PayloadFault(
                .unreadable, "DTQ2019", "what is stored under \(reference.key) refers to another payload",
                remedy: "Terminate the instance")
        }
    }

    // MARK: - Deleting

    package var hasStore: Bool { payloadStore != nil }

    package func remove(_ scope: PayloadScope) async throws(PayloadFault) {
        guard let payloadStore else { return }
        for prefix in StoreKeys.prefixes(of: scope, in: hubID) {
            do {
                try await payloadStore.removeAll(under: prefix)
            } catch {
                throw unavailable("payload store \(payloadStore.description) did not delete \(prefix) (\(error))")
            }
        }
    }

    // MARK: - Faults

    private static let remedy = "Start workers with the payload options of those that wrote it"

    private func tooLarge(_ reason: String) -> PayloadFault {
        PayloadFault(.tooLarge, "DTQ2007", reason, remedy: "Pass a reference instead of the data")
    }

    private func store() throws(PayloadFault) -> any PayloadStore {
        if let payloadStore { return payloadStore }
        throw PayloadFault(
            .unavailable, "DTQ2019", "it is in a payload store, and this process has none", remedy: Self.remedy)
    }

    private func unavailable(_ reason: String) -> PayloadFault {
        PayloadFault(
            .unavailable, "DTQ2019", reason,
            remedy: "See to it that the store can be reached and has what was written; nothing is lost meanwhile")
    }

    private func fault(of codec: String, _ error: any Error) -> PayloadFault {
        guard let error = error as? PayloadCodecError else {
            // Its text may hold content.
            return PayloadFault(
                .unreadable, "DTQ2018", "codec \"\(codec)\" failed with an error of type \(type(of: error))",
                remedy: "Mend the codec")
        }
        return error.isCurable
            ? PayloadFault(
                .unavailable, "DTQ2018", error.reason, remedy: "Give the workers that key, and start them again")
            : PayloadFault(
                .unreadable, "DTQ2018", error.reason,
                remedy: "Nothing but the bytes that were written opens it; restore them, or terminate the instance")
    }
}
