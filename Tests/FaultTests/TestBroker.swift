import DurableFaults
import Foundation

/// The broker that `ops/test` started; tests that need one are skipped without it.
enum TestBroker {
    static let url = ProcessInfo.processInfo.environment["DTQ_TEST_AMQP_URL"]
    static var isThere: Bool { url != nil }
}

extension Fleet {
    /// On the tests' broker.
    convenience init(partitions: Int, log: String = "local") throws {
        try self.init(broker: TestBroker.url ?? "", partitions: partitions, log: log)
    }
}
