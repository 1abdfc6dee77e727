import DurableCore
import DurableJSON
public import FoundationEssentials

extension OrchestrationHistory {
    // MARK: - Fixtures

    /// Reads a fixture: what `write(to:)` wrote, or `dtq history ID --json --payloads` printed.
    ///
    /// - Throws: `OrchestrationTestError.Code.fixtureUnusable`, with what does not fit in which event; what reading the
    ///   file throws.
    public init(contentsOf file: URL) throws {
        do {
            try self.init(json: try Data(contentsOf: file))
        } catch let error as OrchestrationTestError {
            throw OrchestrationTestError(error.code, nil, "fixture \(file.lastPathComponent): \(error)")
        }
    }

    /// Reads the text of a fixture.
    ///
    /// - Throws: `OrchestrationTestError.Code.fixtureUnusable`, with what does not fit in which event.
    public init(json: Data) throws {
        do {
            let (id, events) = try HistoryJSON.read(Array(json))
            self.init(instanceID: id, events: events)
        } catch {
            throw OrchestrationTestError(.fixtureUnusable, nil, "\(error)")
        }
    }

    /// The text of a fixture: JSON with one event a line.
    public var json: Data { Data(HistoryJSON.text(of: events, instanceID).utf8) }

    /// Writes the history to a file, payloads included, to be checked in and read by a test. What was there is replaced.
    public func write(to file: URL) throws { try json.write(to: file, options: .atomic) }
}

extension OrchestrationHistory: CustomStringConvertible {
    /// One line for each event, payloads included.
    public var description: String { String(decoding: json, as: UTF8.self) }
}
