import DurableCore
import DurableProtobuf
import DurableTask
import SwiftProtobuf
import Testing

@Suite("Protobuf messages as payloads") struct ProtobufTests {
    private typealias Text = Protobuf<Google_Protobuf_StringValue>
    private typealias Number = Protobuf<Google_Protobuf_Int64Value>
    private let hello = Text(Google_Protobuf_StringValue("hello"))

    @Test("A message is its own bytes, under its name") func isItsOwnBytes() throws {
        let payload = try #require(try PayloadCoding.encode(hello, as: "it"))
        #expect(payload.sealedDescription == "protobuf google.protobuf.StringValue, 7 bytes")
        #expect(try PayloadCoding.decode(Text.self, from: payload, as: "it") == hello)
    }

    @Test("JSON in the protobuf mapping starts what takes a message") func readsJSON() throws {
        #expect(try PayloadCoding.decode(Text.self, from: Payload("\"hello\""), as: "it") == hello)
    }

    @Test("A message of another name, or one where JSON is expected, is told") func tellsMismatches() throws {
        let payload = try #require(try PayloadCoding.encode(hello, as: "it"))
        do {
            _ = try PayloadCoding.decode(Number.self, from: payload, as: "the input")
            Issue.record("another message was taken")
        } catch {
            #expect(
                error.reason
                    == "expected protobuf google.protobuf.Int64Value, found protobuf google.protobuf.StringValue")
        }
        do {
            _ = try PayloadCoding.decode(String.self, from: payload, as: "the input")
            Issue.record("a message was taken for JSON")
        } catch {
            #expect(error.reason == "expected String, found protobuf google.protobuf.StringValue")
        }
    }

    @Test("Inside another value it is text") func nestsAsText() throws {
        let payload = try #require(try PayloadCoding.encode([hello], as: "it"))
        #expect(payload == Payload("[\"CgVoZWxsbw==\"]"))
        #expect(try PayloadCoding.decode([Text].self, from: payload, as: "it") == [hello])
    }

    @Test("What was not opened is told by what made it") func tellsSealed() throws {
        let sealed = PayloadEnvelope(.codec, "aes-gcm", parameters: Array("k1".utf8), content: [1]).payload
        do {
            _ = try PayloadCoding.decode(String.self, from: sealed, as: "the input")
            Issue.record("it was read")
        } catch {
            #expect(
                error.reason
                    == "expected String, found what \"aes-gcm\" made, which was not opened: see the payload options (docs/payloads.md)"
            )
        }
    }
}
