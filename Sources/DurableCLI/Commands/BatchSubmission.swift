import ArgumentParser
import DurableBackend
package import DurableClient
package import DurableCore
import DurableJSON

/// `submit --batch`: instances from the lines of standard input.
struct BatchSubmission {
    /// For lines that name no orchestration.
    var defaultName: String?
    /// Of each instance; a line's own of the same key count instead.
    var tags: [ExecutionStarted.Tag]
    var idReuse: IDReuse
    var isJSON: Bool

    /// More bad lines than this, and the input is something else than a batch.
    static let badLineLimit = 100

    /// - Throws: Exit code 1 when a line was refused or not confirmed.
    func run(_ client: HubClient, _ environment: CommandEnvironment) async throws {
        let started = environment.clock.now()
        let lines = BatchLines(
            defaultName: defaultName, tags: tags, idReuse: idReuse, client: client, environment: environment)
        var progress = ProgressLine(environment)
        let result = try await client.startMany(lines) { progress.show($0) }
        progress.clear()
        let seconds =
            Double(environment.clock.now().since(started).components.seconds)
            + Double(environment.clock.now().since(started).components.attoseconds) / 1e18
        let report = lines.report.withLock { $0 }
        let unconfirmed = result.unconfirmed.map { report.lineNumbers[$0] }
        if isJSON {
            let json: JSONValue = [
                "accepted": .integer(result.acceptedCount), "linesRead": .integer(report.lineCount),
                "readAll": .boolean(report.reachedEnd),
                "refusedLines": .array(
                    report.refused.map { ["line": .integer($0.line), "reason": .string($0.reason)] }),
                "unconfirmedLines": .array(unconfirmed.map { .integer($0) }),
                "seconds": .decimal(seconds, digits: 3),
            ]
            environment.print(json.text)
        } else {
            let rate = seconds > 0 ? ", \(HumanText.grouped(Int(Double(result.acceptedCount) / seconds))) a second" : ""
            environment.print(
                "\(HumanText.count(result.acceptedCount, "instance")) accepted in "
                    + "\(HumanText.decimal(seconds)) s\(rate).")
        }
        if result.acceptedCount > 0 { await tellUnserved(client, environment) }
        try finish(result, report, unconfirmed, environment)
    }

    /// Accepted is accepted; but somebody should know that nobody works on it.
    private func tellUnserved(_ client: HubClient, _ environment: CommandEnvironment) async {
        guard let unserved = try? await client.unservedPartitions(), !unserved.isEmpty else { return }
        let waiting = HumanText.count(unserved.reduce(0) { $0 + ($1.waitingMessages ?? 0) }, "message")
        let error = ClientError(
            .noWorker,
            "hub \"\(client.hub)\": no worker serves partition\(unserved.count == 1 ? "" : "s") "
                + "\(WorkersCommand.ranges(unserved.map(\.partition.index))), \(waiting) waiting. Nothing is lost. "
                + "Start a worker of this hub.")
        environment.printError(error.description)
    }

    private func finish(
        _ result: StartManyResult, _ report: BatchReport, _ unconfirmed: [Int], _ environment: CommandEnvironment
    ) throws {
        if !report.refused.isEmpty {
            environment.printError(
                "\(HumanText.count(report.refused.count, "line")) refused and not submitted; correct and submit only "
                    + "\(report.refused.count == 1 ? "it" : "them") again.")
        }
        if !unconfirmed.isEmpty {
            environment.printError(
                "Lines \(WorkersCommand.ranges(unconfirmed)) were not confirmed by the broker; they may have been "
                    + "accepted. Submit them again: those with IDs are not started twice.")
        }
        if !report.reachedEnd {
            environment.printError("Nothing after line \(report.lineCount) was submitted.")
        }
        if let failure = result.failure { throw failure }
        if !report.refused.isEmpty { throw ExitCode.failure }
    }
}

/// What was found in the lines so far.
struct BatchReport: Sendable {
    var lineCount = 0
    /// Line of each message handed out, from 1.
    var lineNumbers: [Int] = []
    var refused: [(line: Int, reason: String)] = []
    var reachedEnd = false
}

/// Messages of the lines of standard input. A bad line is reported at once and left out.
struct BatchLines: AsyncSequence {
    typealias Element = Message
    var defaultName: String?
    var tags: [ExecutionStarted.Tag]
    var idReuse: IDReuse
    var client: HubClient
    var environment: CommandEnvironment
    let report = PlatformLock(BatchReport())

    func makeAsyncIterator() -> Iterator { Iterator(lines: self, reader: LineReader(environment.readInput)) }

    struct Iterator: AsyncIteratorProtocol {
        let lines: BatchLines
        var reader: LineReader

        mutating func next() async throws -> Message? {
            while let line = try await reader.next() {
                let number = lines.report.withLock { report in
                    report.lineCount += 1
                    return report.lineCount
                }
                if case .text(let bytes) = line, bytes.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }) {
                    continue
                }
                do {
                    let message = try await lines.client.sealedMessage(for: try request(in: line))
                    lines.report.withLock { $0.lineNumbers.append(number) }
                    return message
                } catch {
                    let reason = (error as? BatchLineError)?.reason ?? (error as? ClientError)?.text ?? "\(error)"
                    let count = lines.report.withLock { report in
                        report.refused.append((number, reason))
                        return report.refused.count
                    }
                    lines.environment.printError("line \(number): \(TerminalText.safe(reason))")
                    if count >= BatchSubmission.badLineLimit {
                        lines.environment.printError("Stopped after \(count) bad lines.")
                        return nil
                    }
                }
            }
            lines.report.withLock { $0.reachedEnd = true }
            return nil
        }

        private func request(in line: LineReader.Line) throws -> StartRequest {
            guard case .text(let bytes) = line else {
                throw BatchLineError("longer than \(LineReader.limit >> 20) MiB")
            }
            var request = try StartRequest(batchLine: bytes, defaultName: lines.defaultName, defaultTags: lines.tags)
            request.idReuse = lines.idReuse
            return request
        }
    }
}

package struct BatchLineError: Error, CustomStringConvertible {
    package var reason: String
    init(_ reason: String) { self.reason = reason }
    package var description: String { reason }
}

extension StartRequest {
    /// Reads one line of a batch: `{"name":..,"id":..,"input":..,"startAt":..,"tags":{..}}`.
    ///
    /// - Parameters:
    ///   - defaultName: For lines that name no orchestration.
    ///   - defaultTags: Of every line; its own of the same key count instead.
    /// - Throws: `BatchLineError`.
    package init(
        batchLine bytes: [UInt8], defaultName: String?, defaultTags: [ExecutionStarted.Tag] = []
    ) throws {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONParser.parse(bytes)
        } catch {
            throw BatchLineError("no JSON: \(error)")
        }
        guard case .object(let members) = value else { throw BatchLineError("no JSON object") }
        var name = defaultName
        var tags: [String: String] = [:]
        for tag in defaultTags { tags[tag.key] = tag.value }
        self.init(name: "")
        for member in members {
            switch (member.key, member.value) {
            case ("name", .string(let text)): name = text
            case ("id", .string(let text)): id = InstanceID(text)
            case ("startAt", .string(let text)):
                guard let time = Timestamp(iso8601: text) else { throw BatchLineError("startAt is no ISO 8601 time") }
                startAt = time
            case ("id", .null), ("startAt", .null), ("name", .null): break
            case ("tags", .object(let members)):
                for member in members {
                    guard let text = member.value.stringValue else {
                        throw BatchLineError("tag \"\(member.key)\" is no text")
                    }
                    tags[member.key] = text
                }
            case ("tags", .null): break
            case ("tags", _): throw BatchLineError("tags is no object")
            case ("input", let value): input = Payload(value.text)
            case ("name", _), ("id", _), ("startAt", _): throw BatchLineError("\(member.key) is no text")
            default: throw BatchLineError("unknown key \"\(member.key)\" (known: name, id, input, startAt, tags)")
            }
        }
        guard let name else { throw BatchLineError("no name, and none on the command line") }
        self.name = name
        self.tags = [ExecutionStarted.Tag](tags)
    }
}

/// Cuts a stream of bytes into lines.
struct LineReader {
    /// Longest line kept, in bytes.
    static let limit = 8 << 20

    enum Line { case text([UInt8]), tooLong }

    private let read: @Sendable () async throws -> [UInt8]?
    private var buffer: [UInt8] = []
    private var position = 0
    private var isAtEnd = false

    init(_ read: @escaping @Sendable () async throws -> [UInt8]?) { self.read = read }

    /// - Returns: nil at the end. A last line without line feed counts.
    mutating func next() async throws -> Line? {
        var isTooLong = false
        var searched = position
        while true {
            if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { position = end + 1 }
                return isTooLong ? .tooLong : .text(Array(buffer[position..<end]))
            }
            if isAtEnd {
                defer { position = buffer.count }
                if isTooLong { return .tooLong }
                return position == buffer.count ? nil : .text(Array(buffer[position...]))
            }
            buffer.removeSubrange(..<position)
            position = 0
            if buffer.count > Self.limit {
                isTooLong = true
                buffer = []
            }
            searched = buffer.count
            if let more = try await read() { buffer += more } else { isAtEnd = true }
        }
    }
}

/// A counter that redraws itself on a terminal, and is silent elsewhere.
struct ProgressLine {
    private let environment: CommandEnvironment
    private var shownAt: Timestamp?

    init(_ environment: CommandEnvironment) { self.environment = environment }

    mutating func show(_ count: Int) {
        guard environment.terminal.isError else { return }
        let now = environment.clock.now()
        if let shownAt, now.since(shownAt) < .milliseconds(200) { return }
        shownAt = now
        environment.writeError("\r\u{1B}[K\(HumanText.grouped(count)) accepted")
    }

    func clear() {
        if shownAt != nil { environment.writeError("\r\u{1B}[K") }
    }
}
