package import DurableCore

extension CrashEvidence: WireCodable {
    package init(wire bytes: [UInt8]) throws(WireError) {
        let wire = try PBCrashEvidence(alone: bytes)
        self.init(
            isReleased: wire.isReleased,
            suspects: wire.suspects.map {
                Suspect(instanceID: InstanceID($0.instanceID), build: $0.build, epochs: $0.epochs.map(Epoch.init))
            })
    }

    package var wireBytes: [UInt8] {
        var wire = PBCrashEvidence()
        wire.isReleased = isReleased
        wire.suspects = suspects.map { suspect in
            var wire = PBCrashEvidence.Suspect()
            wire.instanceID = suspect.instanceID.value
            wire.build = suspect.build
            wire.epochs = suspect.epochs.map(PBEpoch.init)
            return wire
        }
        return wire.aloneBytes()
    }
}
