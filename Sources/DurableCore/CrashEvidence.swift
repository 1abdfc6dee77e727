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
        /// Each once, in order.
        package var epochs: [Epoch]
        package init(instanceID: InstanceID, epochs: [Epoch]) {
            self.instanceID = instanceID
            self.epochs = epochs
        }
    }

    package init(isReleased: Bool = false, suspects: [Suspect] = []) {
        self.isReleased = isReleased
        self.suspects = suspects
    }

    /// Epochs in which the instance's code ran and no checkpoint of it came to be.
    package func epochs(of id: InstanceID) -> [Epoch] { suspects.first { $0.instanceID == id }?.epochs ?? [] }

    mutating func note(_ attempt: PartitionRecord.Attempt) {
        guard let index = suspects.firstIndex(where: { $0.instanceID == attempt.instanceID }) else {
            suspects.append(Suspect(instanceID: attempt.instanceID, epochs: [attempt.epoch]))
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
