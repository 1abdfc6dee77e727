import Durable
import DurableTestKit
import Testing

// Code of the article "Compress, encrypt and store payloads".

func makeOptions() throws -> PayloadOptions {
    let keys = try PayloadKeys(file: "/run/secrets/dtq-keys")
    return PayloadOptions(
        codecs: [PayloadCompression(), PayloadEncryption(keys)],
        store: FileSystemPayloadStore(directory: "/var/lib/dtq/payloads"))
}

func makeReader(_ keys: PayloadKeys) -> PayloadOptions {
    PayloadOptions(readers: [PayloadEncryption(keys)])
}

@Test("Payloads come through compression and encryption as they were")
func payloadsAreOpened() async throws {
    let keys = try PayloadKeys(current: "test", keys: ["test": Array(repeating: 7, count: 32)])
    let options = PayloadOptions(codecs: [PayloadCompression(), PayloadEncryption(keys)])
    let environment = try TestOrchestrationEnvironment(readMeter, payloads: options)
    #expect(try await environment.run(readMeters, input: ["north", "west"]) == 9)
}
