/// What a partition's log says of owners that died: whose code ran when they did.
///
/// A worker that its own code kills takes its word with it. So while an owner does not know what ended the one before,
/// it writes down whose code it is about to run. An attempt that no checkpoint of that instance follows is evidence.
package struct CrashEvidence: Hashable, Sendable {
    /// The newest epoch ended in order: nobody's code is suspected.
    package var isReleased: Bool
    /// Of instances that have changed nothing since, in order of their first attempt. At most one is added an epoch
    /// that ends in a crash.
    package private(set) var suspects: [Suspect]

    package struct Suspect: Hashable, Sendable {
        package var instanceID: InstanceID
        /// Of the code that ran.
        package var build: String
        /// Each once, in order.
        package var epochs: [Epoch]
        package init(instanceID: InstanceID, build: String, epochs: [Epoch]) {
            self.instanceID = instanceID
            self.build = build
            self.epochs = epochs
        }
    }

    package init(isReleased: Bool = false, suspects: [Suspect] = []) {
        self.isReleased = isReleased
        self.suspects = suspects
    }

    /// Epochs in which the instance's code ran, as that build has it, and no checkpoint of it came to be.
    package func epochs(of id: InstanceID, build: String) -> [Epoch] {
        suspects.first { $0.instanceID == id && $0.build == build }?.epochs ?? []
    }

    mutating func note(_ attempt: PartitionRecord.Attempt) {
        let (id, build) = (attempt.instanceID, attempt.build)
        guard let index = suspects.firstIndex(where: { $0.instanceID == id && $0.build == build }) else {
            suspects.append(Suspect(instanceID: id, build: build, epochs: [attempt.epoch]))
            return
        }
        if suspects[index].epochs.last != attempt.epoch { suspects[index].epochs.append(attempt.epoch) }
    }

    /// A checkpoint of these instances is durable: what was tried has gone through, or was given up.
    mutating func clear(_ changes: [InstanceChange]) {
        if suspects.isEmpty { return }
        suspects.removeAll { suspect in changes.contains { $0.instanceID == suspect.instanceID } }
    }
}
