package import DurableBackend
import DurableCLI
package import DurableClient
package import DurableCore
package import DurableJSON
package import DurableTask

/// Histories replayed on this program's code, and what that came to.
package struct ReplayCheck: Sendable {
    /// An instance that this code does not fit.
    package struct Finding: Hashable, Sendable {
        package var id: InstanceID
        /// Of its orchestration.
        package var name: String
        package var version: String?
        /// nil: this program has no orchestration of that name.
        package var failure: EpisodeFailure?

        package init(id: InstanceID, name: String, version: String? = nil, failure: EpisodeFailure?) {
            self.id = id
            self.name = name
            self.version = version
            self.failure = failure
        }
    }

    private let registry: Registry
    private let payloads: any PayloadAccess
    /// In the order in which they were checked.
    package private(set) var findings: [Finding] = []
    package private(set) var fittingCount = 0

    /// - Parameter payloads: Opens those of files; a client opens its own.
    package init(_ registry: Registry, payloads: any PayloadAccess = PlainPayloads()) {
        self.registry = registry
        self.payloads = payloads
    }

    package var doesFit: Bool { findings.isEmpty }

    /// - Parameters:
    ///   - history: Of the instance's present execution; empty before its first episode.
    ///   - name: Of its orchestration.
    package mutating func check(_ history: [HistoryEvent], of id: InstanceID, _ name: String) {
        let failure: EpisodeFailure?
        switch registry.replay(history, of: name) {
        case .fits:
            fittingCount += 1
            return
        case .notRegistered: failure = nil
        case .diverges(let reason): failure = reason
        }
        findings.append(
            Finding(id: id, name: name, version: history.executionStarted?.version, failure: failure))
    }

    /// Checks the document that `dtq history ID --json --payloads` prints.
    ///
    /// - Throws: `ClientError` DTQ5003 with what does not fit; DTQ2018 or DTQ2019 when a payload cannot be opened.
    package mutating func check(file name: String, _ bytes: [UInt8]) async throws {
        var (id, events): (InstanceID, [HistoryEvent])
        do {
            (id, events) = try HistoryJSON.read(bytes)
        } catch {
            throw ClientError(.wrongArgument, "\(name): \(error)")
        }
        for index in events.indices where events[index].handsPayloadToCode {
            do {
                events[index].payload = try await payloads.openFully(events[index].payload)
            } catch {
                throw ClientError(
                    .init(error.code),
                    "\(name): a payload of event \(index) cannot be read: \(error.reason). \(error.remedy).")
            }
        }
        guard let start = events.executionStarted else {
            throw ClientError(.wrongArgument, "\(name): the history has no ExecutionStarted, so nothing to replay")
        }
        check(events, of: id, start.name)
    }

    /// Checks instances of a hub, oldest first.
    ///
    /// - Parameter limit: No more than this many; nil: all.
    /// - Throws: `ClientError`, DTQ5001 when a partition has no worker.
    package mutating func check(_ client: HubClient, _ filter: ListFilter, limit: Int?) async throws {
        var remaining = limit ?? .max
        var cursor: ListCursor?
        repeat {
            let page = try await client.list(filter, after: cursor, limit: min(remaining, 500))
            remaining -= page.instances.count
            cursor = page.next
            // So many histories in memory at a time.
            for part in stride(from: 0, to: page.instances.count, by: 16) {
                let instances = Array(page.instances[part..<min(part + 16, page.instances.count)])
                let histories = try await Self.histories(of: instances, client)
                for (instance, history) in zip(instances, histories) {
                    // It may have been deleted since.
                    if let history { check(history, of: instance.id, instance.name) }
                }
            }
        } while cursor != nil && remaining > 0
    }

    private static func histories(
        of instances: [InstanceSnapshot], _ client: HubClient
    ) async throws -> [[HistoryEvent]?] {
        try await withThrowingTaskGroup(of: (Int, [HistoryEvent]?).self) { group in
            for (index, instance) in instances.enumerated() {
                group.addTask { (index, try await client.historyForCode(of: instance.id)) }
            }
            var histories = [[HistoryEvent]?](repeating: nil, count: instances.count)
            for try await (index, history) in group { histories[index] = history }
            return histories
        }
    }

    // MARK: - Report

    /// For people: one line for each instance that does not fit, then the sums.
    package var lines: [String] {
        let diverging = findings.count { $0.failure != nil }
        var sums = ["\(fittingCount) fit", "\(diverging) \(diverging == 1 ? "diverges" : "diverge")"]
        let missing = findings.count - diverging
        if missing > 0 { sums.append("\(missing) of orchestrations that this program does not have") }
        let count = fittingCount + findings.count
        return findings.map { TerminalText.safe($0.text) } + [
            "Checked \(HumanText.count(count, "instance")): \(sums.joined(separator: ", "))."
        ]
    }

    /// With stable keys.
    package var json: JSONValue {
        [
            "checked": .integer(fittingCount + findings.count), "fit": .integer(fittingCount),
            "diverging": .array(findings.filter { $0.failure != nil }.map(\.json)),
            "missing": .array(findings.filter { $0.failure == nil }.map(\.json)),
        ]
    }
}

extension ReplayCheck.Finding {
    fileprivate var text: String {
        guard let failure else {
            return
                "DTQ2005 instance \(id): this program has no orchestration \"\(name)\"; under it the instance would be held. "
                + "Register it, or keep a build running that has it. See ops/errors/DTQ2005.md"
        }
        let subject = "instance \(id) (\(name)\(version.map { " v\($0)" } ?? ""))"
        return "\(failure.code) \(subject): \(failure.explanation). See ops/errors/\(failure.code).md"
    }

    fileprivate var json: JSONValue {
        var members: [JSONValue.Member] = [
            .init("id", .string(id.value)), .init("name", .string(name)),
            .init("version", .optional(version) { .string($0) }),
        ]
        guard let failure else { return .object(members) }
        members.append(.init("code", .string(failure.code)))
        var place: (position: Int, holds: String, asked: String)?
        if case .nonDeterministic(let position, let holds, let asked) = failure { place = (position, holds, asked) }
        members.append(.init("position", .optional(place) { .integer($0.position) }))
        members.append(.init("historyHolds", .optional(place) { .string($0.holds) }))
        members.append(.init("codeAsked", .optional(place) { .string($0.asked) }))
        members.append(.init("text", .string(text)))
        return .object(members)
    }
}
