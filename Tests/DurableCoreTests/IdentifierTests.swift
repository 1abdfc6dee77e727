import DurableCore
import Testing

@Suite("Names and identifiers") struct IdentifierTests {
    @Test(arguments: ["a", "orders", "Orders_2-x", String(repeating: "h", count: 64)])
    func hubNamesAreAccepted(name: String) { #expect(HubName(name)?.value == name) }

    @Test(arguments: ["", "a.b", "a b", "ü", String(repeating: "h", count: 65)])
    func otherHubNamesAreNot(name: String) { #expect(HubName(name) == nil) }

    @Test(arguments: ["", "a\nb", "\u{7f}", String(repeating: "i", count: 256)])
    func badInstanceIDsAreNamed(id: String) { #expect(InstanceID(id).defect != nil) }

    @Test func instanceIDsMayHoldAnyText() { #expect(InstanceID("Größe/7 #x").defect == nil) }

    @Test func epochsAreOrderedByGenerationFirst() {
        #expect(Epoch(generation: 1, offset: 900) < Epoch(generation: 2, offset: 0))
        #expect(Epoch.zero < Epoch(generation: 1, offset: 0))
    }
}
