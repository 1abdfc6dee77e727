import DurableBackend
import DurableCore
import DurablePayloads
import Testing

@Suite("Payload codecs") struct CodecTests {
    private let owner = PayloadOwner(InstanceID("o-1"), ExecutionID("e-1"))
    private static let text = Payload("\"\(String(repeating: "all work and no play ", count: 500))\"")

    private func keys(_ current: String, _ others: String...) throws -> PayloadKeys {
        var keys = [current: Self.key(current)]
        for other in others { keys[other] = Self.key(other) }
        return try PayloadKeys(current: current, keys: keys)
    }

    private static func key(_ id: String) -> [UInt8] { Array(repeating: id.utf8.reduce(0, &+), count: 32) }

    private func pipeline(_ codecs: any PayloadCodec..., sizeLimit: Int = 64 << 20) -> PayloadPipeline {
        PayloadPipeline(PayloadOptions(codecs: codecs, sizeLimit: sizeLimit), hubID: "hub")
    }

    private func fault(_ body: () throws(PayloadFault) -> Void) -> PayloadFault? {
        do throws(PayloadFault) { try body() } catch { return error }
        return nil
    }

    @Test("What codecs make opens again, in any mix of payloads", arguments: ["", "null", "\"a\"", text.text])
    func opensWhatItSealed(text: String) throws {
        let payload = Payload(text)
        for pipeline in [
            pipeline(), pipeline(PayloadCompression(minimumSize: 0)), pipeline(PayloadEncryption(try keys("k1"))),
            pipeline(PayloadCompression(), PayloadEncryption(try keys("k1"))),
        ] {
            let sealed = try pipeline.seal(payload, for: owner)
            #expect(sealed.content == nil)
            #expect(try pipeline.open(sealed.payload) == .payload(payload))
            // Older histories, and clients without codecs.
            #expect(try pipeline.open(payload) == .payload(payload))
        }
    }

    @Test("Without codecs nothing changes") func plainStaysPlain() throws {
        #expect(try pipeline().seal(Self.text, for: owner).payload == Self.text)
    }

    @Test("An envelope begins as no JSON does") func envelopeIsNoText() throws {
        let sealed = try pipeline(PayloadEncryption(try keys("k1"))).seal(Self.text, for: owner).payload
        #expect(sealed.isInEnvelope)
        #expect(String(validating: sealed.bytes, as: UTF8.self) == nil)
        #expect(sealed.sealedDescription == "encrypted with key \"k1\", \((sealed.count + 500) / 1000) kB")
    }

    // MARK: - Compression

    @Test("Compression applies where it makes a payload smaller") func compressesWhatShrinks() throws {
        let pipeline = pipeline(PayloadCompression())
        let sealed = try pipeline.seal(Self.text, for: owner).payload
        #expect(sealed.count < Self.text.count / 10)
        var generator = SystemRandomNumberGenerator()
        let noise = Payload((0..<5000).map { _ in UInt8.random(in: 0...127, using: &generator) | 0x20 })
        let large = try pipeline.seal(noise, for: owner).payload
        #expect(try pipeline.open(large) == .payload(noise))
        let small = Payload("\"\(String(repeating: "a", count: 900))\"")
        #expect(try pipeline.seal(small, for: owner).payload == small)
        let random = Payload((0..<5000).map { _ in UInt8.random(in: 0...255, using: &generator) })
        #expect(try pipeline.seal(random, for: owner).payload == random)
    }

    @Test("Every process reads compressed payloads") func compressionNeedsNoReader() throws {
        let sealed = try pipeline(PayloadCompression()).seal(Self.text, for: owner).payload
        #expect(try pipeline().open(sealed) == .payload(Self.text))
    }

    @Test("A zip bomb is refused by its claim and by what it becomes", arguments: [false, true])
    func refusesBombs(claimsLess: Bool) throws {
        let bomb = Payload(Array(repeating: 0x20, count: 4 << 20))
        var envelope = try #require(
            try PayloadEnvelope.read(try pipeline(PayloadCompression()).seal(bomb, for: owner).payload))
        if claimsLess { envelope.parameters = [0, 0, 0, 0, 0, 0, 4, 0] }
        let fault = fault { () throws(PayloadFault) in _ = try pipeline(sizeLimit: 1 << 20).open(envelope.payload) }
        #expect(fault?.kind == .unreadable)
        #expect(fault?.reason.contains(claimsLess ? "no zlib stream of 1024 bytes" : "4194304 bytes") == true)
    }

    @Test("Damaged compressed bytes are an error, whichever byte is hit") func findsDamageOfCompressed() throws {
        let sealed = try pipeline(PayloadCompression()).seal(Self.text, for: owner).payload
        for cut in stride(from: 4, to: sealed.count, by: 7) {
            let fault = fault { () throws(PayloadFault) in _ = try pipeline().open(Payload(Array(sealed.bytes[..<cut])))
            }
            #expect(fault != nil, "cut after \(cut) bytes")
        }
        let longer = fault { () throws(PayloadFault) in _ = try pipeline().open(Payload(sealed.bytes + [0])) }
        #expect(longer?.kind == .unreadable)
    }

    // MARK: - Encryption

    @Test("No two payloads are encrypted alike, and none shows its content") func encryptsAnew() throws {
        let pipeline = pipeline(PayloadEncryption(try keys("k1")))
        let secret = Payload("\"a secret that must not show\"")
        let sealed = try (0..<100).map { _ in try pipeline.seal(secret, for: owner).payload }
        #expect(Set(sealed).count == 100)
        for payload in sealed { #expect(!String(decoding: payload.bytes, as: UTF8.self).contains("secret")) }
    }

    @Test("Old keys read while the current one writes") func rotates() throws {
        let old = try pipeline(PayloadEncryption(try keys("k1"))).seal(Self.text, for: owner).payload
        let both = pipeline(PayloadEncryption(try keys("k2", "k1")))
        #expect(try both.open(old) == .payload(Self.text))
        let new = try both.seal(Self.text, for: owner).payload
        #expect(new.sealedDescription?.hasPrefix("encrypted with key \"k2\"") == true)
        let fault = fault { () throws(PayloadFault) in
            _ = try pipeline(PayloadEncryption(try! keys("k1"))).open(new)
        }
        #expect(fault?.kind == .unavailable && fault?.code == "DTQ2018")
        #expect(fault?.reason == "it is encrypted with key \"k2\", and this process has \"k1\" alone")
    }

    @Test("A process without keys says what the payload is") func saysWhatItIs() throws {
        let sealed = try pipeline(PayloadEncryption(try keys("k1"))).seal(Self.text, for: owner).payload
        for access in [pipeline(), PlainPayloads()] as [any PayloadAccess] {
            let fault = fault { () throws(PayloadFault) in _ = try access.open(sealed) }
            #expect(fault?.kind == .unavailable)
            #expect(fault?.reason.hasPrefix("it is encrypted with key \"k1\", and this process has no codec") == true)
        }
    }

    @Test("A changed, cut off or foreign byte is noticed, whichever it is") func findsTampering() throws {
        let pipeline = pipeline(PayloadEncryption(try keys("k1")))
        let sealed = try pipeline.seal(Payload("\"pay 10\""), for: owner).payload
        for index in 4..<sealed.count {
            var changed = sealed
            changed.bytes[index] ^= 1
            #expect(fault { () throws(PayloadFault) in _ = try pipeline.open(changed) } != nil, "byte \(index)")
            let cut = Payload(Array(sealed.bytes[..<index]))
            #expect(fault { () throws(PayloadFault) in _ = try pipeline.open(cut) } != nil, "cut at \(index)")
        }
        let foreign = try PayloadKeys(current: "k1", keys: ["k1": Array(repeating: 9, count: 32)])
        let fault = fault { () throws(PayloadFault) in _ = try self.pipeline(PayloadEncryption(foreign)).open(sealed) }
        #expect(fault?.kind == .unreadable)
        #expect(fault?.reason.contains("another key has that ID") == true)
    }

    // MARK: - Keys

    @Test("A file of keys names the current one first") func readsKeyFiles() throws {
        let line = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
        let keys = try PayloadKeys(text: "# keys\n\nk2 \(line)\n  k1\t\(line)\n")
        let sealed = try pipeline(PayloadEncryption(keys)).seal(Self.text, for: owner).payload
        #expect(sealed.sealedDescription?.contains("\"k2\"") == true)
    }

    @Test(
        "A file that holds no keys says which line, and no key",
        arguments: [
            ("", "there is no key"), ("k1 AAAA", "key \"k1\" has 3 bytes, a key has 32"),
            ("k1", "line 1 is not an ID, a space, and 32 bytes in base64"),
            ("# c\nk/1 AAAA", "line 2 is not an ID, a space, and 32 bytes in base64"),
            ("\n# c\n\n\nk/1 AAAA\n", "line 5 is not an ID, a space, and 32 bytes in base64"),
            ("\r\n# c\r\nk/1 AAAA\r\n", "line 3 is not an ID, a space, and 32 bytes in base64"),
            ("k1 AAAA\nk1 AAAA", "key \"k1\" is there twice"),
        ])
    func refusesKeyFiles(text: String, reason: String) {
        #expect(throws: PayloadKeysError.self) { try PayloadKeys(text: text) }
        do { _ = try PayloadKeys(text: text) } catch { #expect("\(error)" == reason) }
    }

    @Test("A file of keys that cannot be read is told with the system's reason") func tellsWhyUnreadable() {
        let missing = #expect(throws: PayloadKeysError.self) { try PayloadKeys(file: "/nowhere/keys") }
        #expect(missing?.description == "there is no file /nowhere/keys")
        let folder = #expect(throws: PayloadKeysError.self) { try PayloadKeys(file: "/") }
        #expect(folder?.description == "cannot read /: Is a directory")
        let through = #expect(throws: PayloadKeysError.self) { try PayloadKeys(file: "/dev/null/keys") }
        #expect(through?.description == "cannot open /dev/null/keys: Not a directory")
    }

    // MARK: - Codecs of others

    private struct Failing: PayloadCodec {
        struct Secret: Error { let content: [UInt8] }
        var name: String { "failing" }
        func encode(_ content: [UInt8]) throws -> EncodedPayload? { EncodedPayload(content: content) }
        func decode(_ encoded: EncodedPayload) throws -> [UInt8] { throw Secret(content: encoded.content) }
    }

    @Test("An error of somebody's codec shows its type, not what it holds") func hidesForeignErrors() throws {
        let pipeline = pipeline(Failing())
        let sealed = try pipeline.seal(Payload("\"secret\""), for: owner).payload
        let fault = fault { () throws(PayloadFault) in _ = try pipeline.open(sealed) }
        #expect(fault?.reason == "codec \"failing\" failed with an error of type Secret")
    }

    @Test("The limit of the options is the only one: what it lets in comes out again") func hasOneLimit() throws {
        // More than compression reads without options, and less.
        let large = Payload(Array(repeating: 0x20, count: (64 << 20) + 1))
        let wide = pipeline(PayloadCompression(), sizeLimit: 65 << 20)
        let sealed = try wide.seal(large, for: owner).payload
        #expect(try wide.open(sealed) == .payload(large))
        let refused = fault { () throws(PayloadFault) in _ = try pipeline(PayloadCompression()).open(sealed) }
        #expect(refused?.kind == .unreadable && refused?.code == "DTQ2018")
        for limit in [Int.max, 1000] {
            let pipeline = pipeline(PayloadCompression(), PayloadEncryption(try keys("k1")), sizeLimit: limit)
            let most = Payload(Array(repeating: 0x20, count: 1000))
            #expect(try pipeline.open(try pipeline.seal(most, for: owner).payload) == .payload(most))
        }
    }

    /// Makes a hundred bytes of each.
    private struct Inflating: PayloadCodec {
        var name: String { "inflating" }
        func encode(_ content: [UInt8]) throws -> EncodedPayload? {
            EncodedPayload(content: content.flatMap { Array(repeating: $0, count: 100) })
        }
        func decode(_ encoded: EncodedPayload) throws -> [UInt8] {
            stride(from: 0, to: encoded.content.count, by: 100).map { encoded.content[$0] }
        }
    }

    @Test("What a codec makes too large to be read is not written") func limitsEncodedSize() throws {
        let pipeline = pipeline(Inflating(), sizeLimit: 5000)
        let small = Payload(Array(repeating: 0x20, count: 600))
        #expect(try pipeline.open(try pipeline.seal(small, for: owner).payload) == .payload(small))
        let fault = fault { () throws(PayloadFault) in
            _ = try pipeline.seal(Payload(Array(repeating: 0x20, count: 1000)), for: owner)
        }
        #expect(fault?.kind == .tooLarge && fault?.code == "DTQ2007")
        #expect(fault?.reason == "codec \"inflating\" made 100018 bytes of it, the limit is 5000")
    }

    @Test("A payload above the limit is refused before it is encoded") func limitsSize() throws {
        let pipeline = pipeline(PayloadCompression(), sizeLimit: 1000)
        let faults = [
            fault { () throws(PayloadFault) in _ = try pipeline.seal(Self.text, for: owner) },
            fault { () throws(PayloadFault) in _ = try pipeline.encode(Self.text) },
        ]
        for fault in faults { #expect(fault?.kind == .tooLarge && fault?.code == "DTQ2007") }
    }
}
