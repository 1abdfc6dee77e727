import DurableCore
import Testing

@Suite("Log fold") struct LogFoldTests {
    private static let generation = LogGeneration(
        hubID: "hub-1", partition: PartitionID(3), stream: "s", incarnation: 7)
    private static func epoch(_ offset: UInt64) -> Epoch { Epoch(generation: 1, offset: offset) }

    private static func unit(
        _ offset: UInt64, _ index: UInt64, _ records: Int = 1, writer: String = "a", bytes: Int = 1
    ) -> LogUnit {
        LogUnit(
            epoch: epoch(offset), index: index, writer: writer, recordCount: records,
            content: (0..<bytes).map { UInt8(truncatingIfNeeded: Int(offset) + Int(index) + $0) })
    }

    private static func message(
        _ offset: UInt64, _ index: UInt64, _ records: Int = 1, writer: String = "a"
    ) -> LogMessage {
        .part(unit(offset, index, records, writer: writer).parts(byteLimit: 1)[0])
    }

    /// A fold that has taken the stream's first message and these.
    private static func fold(_ messages: LogMessage...) throws -> LogFold {
        var fold = LogFold()
        for message in [.generation(generation)] + messages { _ = try fold.take(message) }
        return fold
    }

    // MARK: Beginning

    @Test("A stream begins with its own description, which gives the position it begins at")
    func generation() throws {
        var fold = LogFold()
        var later = Self.generation
        later.base = LogPosition(40)
        #expect(try fold.take(.generation(later)) == .generation)
        #expect(fold.generation == later)
        #expect(fold.position == LogPosition(40))
        #expect(try fold.take(Self.message(1, 0)) == .unit(Self.unit(1, 0)))
        #expect(fold.position == LogPosition(41))
    }

    @Test("A stream whose first message is missing is damaged", arguments: [message(1, 0), .mark("m")])
    func noGeneration(_ message: LogMessage) {
        var fold = LogFold()
        #expect(throws: LogFold.Damage.self) { try fold.take(message) }
    }

    @Test("A second description, and marks, change nothing")
    func idle() throws {
        var fold = try Self.fold(Self.message(1, 0))
        let before = fold
        #expect(try fold.take(.generation(Self.generation)) == .repeated)
        #expect(try fold.take(.mark("m")) == .mark)
        #expect(fold == before)
    }

    // MARK: Epochs

    @Test("A begin counts when its epoch is higher than all before; the generation of the journal comes first")
    func begins() throws {
        var fold = try Self.fold(Self.message(5, 0))
        for old: UInt64 in [0, 4, 5] { #expect(try fold.take(Self.message(old, 0)) == .void(.superseded)) }
        #expect(try fold.take(Self.message(6, 0)) == .unit(Self.unit(6, 0)))
        let next = LogUnit(
            epoch: Epoch(generation: 2, offset: 0), index: 0, writer: "b", recordCount: 1, content: [])
        #expect(try fold.take(.part(next.parts(byteLimit: 1)[0])) == .unit(next))
        #expect(fold.newest == next.epoch)
        #expect(fold.position == LogPosition(3))
    }

    @Test("Records of an older epoch after a newer begin are void")
    func zombie() throws {
        var fold = try Self.fold(Self.message(5, 0), Self.message(5, 1), Self.message(9, 0))
        for index: UInt64 in 1...3 { #expect(try fold.take(Self.message(5, index)) == .void(.superseded)) }
        #expect(fold.position == LogPosition(3))
        #expect(try fold.take(Self.message(9, 1)) == .unit(Self.unit(9, 1)))
    }

    @Test("Records of an epoch that did not begin are void")
    func notBegun() throws {
        var fold = try Self.fold()
        #expect(try fold.take(Self.message(5, 1)) == .void(.notBegun))
        _ = try fold.take(Self.message(5, 0))
        #expect(try fold.take(Self.message(6, 1)) == .void(.notBegun))
        #expect(fold.position == LogPosition(1))
    }

    // MARK: Indexes

    @Test("Each index counts once, in order; what is above a gap is void until the gap is filled")
    func indexes() throws {
        var fold = try Self.fold(Self.message(5, 0), Self.message(5, 1, 3))
        #expect(fold.position == LogPosition(4))
        #expect(try fold.take(Self.message(5, 1, 3)) == .repeated)
        #expect(try fold.take(Self.message(5, 3)) == .void(.gap))
        #expect(try fold.take(Self.message(5, 2)) == .unit(Self.unit(5, 2)))
        #expect(try fold.take(Self.message(5, 3)) == .unit(Self.unit(5, 3)))
        #expect(try fold.take(Self.message(5, 2)) == .repeated)
        #expect(fold.position == LogPosition(6))
        #expect(fold.lastIndex == 3)
    }

    @Test("Indexes begin anew with each epoch")
    func indexesAnew() throws {
        var fold = try Self.fold(Self.message(5, 0), Self.message(5, 1), Self.message(5, 2), Self.message(6, 0))
        #expect(try fold.take(Self.message(6, 3)) == .void(.gap))
        #expect(try fold.take(Self.message(6, 1)) == .unit(Self.unit(6, 1)))
    }

    // MARK: Parts

    @Test("A unit is cut in parts of the given size, and is whole again when the last is in place")
    func parts() throws {
        let unit = Self.unit(5, 1, 4, bytes: 10)
        let parts = unit.parts(byteLimit: 4)
        #expect(parts.map(\.content.count) == [4, 4, 2])
        #expect(parts.map(\.number) == [1, 2, 3])
        #expect(parts.allSatisfy { $0.count == 3 })
        var fold = try Self.fold(Self.message(5, 0))
        #expect(try fold.take(.part(parts[0])) == .part)
        #expect(try fold.take(.part(parts[1])) == .part)
        #expect(fold.position == LogPosition(1))
        #expect(try fold.take(.part(parts[2])) == .unit(unit))
        #expect(fold.position == LogPosition(5))
    }

    @Test("An empty unit has one part")
    func emptyUnit() {
        #expect(Self.unit(5, 1, bytes: 0).parts(byteLimit: 4).count == 1)
    }

    @Test("Repeated parts count once; a part above a gap is void")
    func repeatedParts() throws {
        let unit = Self.unit(5, 1, bytes: 3)
        let parts = unit.parts(byteLimit: 1).map(LogMessage.part)
        var fold = try Self.fold(Self.message(5, 0))
        #expect(try fold.take(parts[1]) == .void(.gap))
        #expect(try fold.take(parts[0]) == .part)
        #expect(try fold.take(parts[2]) == .void(.gap))
        #expect(try fold.take(parts[0]) == .repeated)
        #expect(try fold.take(parts[1]) == .part)
        #expect(try fold.take(parts[0]) == .repeated)
        #expect(try fold.take(parts[2]) == .unit(unit))
        #expect(try fold.take(parts[2]) == .repeated)
    }

    @Test("A unit that a newer begin interrupts never counts")
    func interruptedParts() throws {
        let parts = Self.unit(5, 1, bytes: 2).parts(byteLimit: 1).map(LogMessage.part)
        var fold = try Self.fold(Self.message(5, 0), parts[0], Self.message(6, 0))
        #expect(try fold.take(parts[1]) == .void(.superseded))
        let next = Self.unit(6, 1, bytes: 2)
        let nextParts = next.parts(byteLimit: 1).map(LogMessage.part)
        #expect(try fold.take(nextParts[1]) == .void(.gap))
        #expect(try fold.take(nextParts[0]) == .part)
        #expect(try fold.take(nextParts[1]) == .unit(next))
    }

    @Test("Parts of two writers never make one unit; who begins last may finish")
    func twoWriters() throws {
        let one = Self.unit(5, 1, writer: "a", bytes: 2).parts(byteLimit: 1).map(LogMessage.part)
        let other = Self.unit(5, 1, writer: "b", bytes: 3)
        let two = other.parts(byteLimit: 1).map(LogMessage.part)
        var fold = try Self.fold(Self.message(5, 0))
        #expect(try fold.take(one[0]) == .part)
        #expect(try fold.take(two[1]) == .void(.foreign))
        #expect(try fold.take(two[0]) == .part)
        #expect(try fold.take(one[1]) == .void(.foreign))
        #expect(try fold.take(two[1]) == .part)
        #expect(try fold.take(two[2]) == .unit(other))
        #expect(try fold.take(one[0]) == .repeated)
    }

    // MARK: Bookmarks

    @Test("A bookmark fits what was there when it was taken, and nothing else")
    func bookmarkFits() throws {
        let start = try #require(try Self.fold().bookmark(at: 0))
        #expect(start.fits(.generation(Self.generation)))
        #expect(!start.fits(Self.message(5, 0)))
        let unit = Self.unit(5, 1, bytes: 2).parts(byteLimit: 1).map(LogMessage.part)
        let later = try #require(try Self.fold(Self.message(5, 0), unit[0], unit[1]).bookmark(at: 3))
        #expect(later.fits(unit[1]))
        #expect(!later.fits(unit[0]))
        #expect(!later.fits(Self.message(5, 0)))
        #expect(!later.fits(Self.message(6, 1)))
        #expect(!later.fits(.generation(Self.generation)))
        #expect(!later.fits(.mark("m")))
    }

    @Test("Nothing can be marked before the stream's first message")
    func noBookmark() { #expect(LogFold().bookmark(at: 0) == nil) }

    // MARK: All together

    @Test("Readers from any bookmark agree with one from the start, whatever owners do", arguments: UInt64(1)...200)
    func randomStreams(_ seed: UInt64) throws {
        var stream = RandomLogStream(seed: seed)
        let messages = stream.messages(200)
        var fold = LogFold()
        var found: [PlacedUnit] = []
        var bookmarks: [LogBookmark] = []
        for (offset, message) in messages.enumerated() {
            switch try fold.take(message) {
            case .unit(let unit): found.append(PlacedUnit(unit: unit, end: fold.position))
            case .generation: break
            default: continue
            }
            bookmarks.append(try #require(fold.bookmark(at: UInt64(offset))))
        }
        for bookmark in stride(from: 0, to: bookmarks.count, by: 1 + bookmarks.count / 8).map({ bookmarks[$0] }) {
            #expect(bookmark.fits(messages[Int(bookmark.offset)]))
            var other = LogFold(from: bookmark)
            var rest: [PlacedUnit] = []
            for message in messages[Int(bookmark.offset + 1)...] {
                if case .unit(let unit) = try other.take(message) {
                    rest.append(PlacedUnit(unit: unit, end: other.position))
                }
            }
            #expect(rest == found.filter { $0.end > bookmark.position })
            #expect(other == fold)
        }
        // What was found is what owners meant: epochs rise, indexes have no gaps, contents are whole.
        var last: LogUnit?
        var position: UInt64 = 0
        for placed in found {
            position += UInt64(placed.unit.recordCount)
            #expect(placed.end.value == position)
            #expect(placed.unit == stream.written[RandomLogStream.Key(placed.unit)])
            if placed.unit.index > 0 {
                #expect(last?.epoch == placed.unit.epoch && last?.index == placed.unit.index - 1)
            } else {
                #expect(last.map { $0.epoch < placed.unit.epoch } ?? true)
            }
            last = placed.unit
        }
        #expect(!found.isEmpty)
    }
}

private struct PlacedUnit: Equatable {
    var unit: LogUnit
    var end: LogPosition
}

/// What owners, some of them superseded, some with lost confirms, make of a stream: each publishes its own messages in
/// order, several times over, and the broker interleaves them as it likes.
private struct RandomLogStream {
    struct Key: Hashable {
        var epoch: Epoch
        var index: UInt64
        var writer: String
        init(_ unit: LogUnit) { (epoch, index, writer) = (unit.epoch, unit.index, unit.writer) }
    }

    private struct Owner {
        var epoch: Epoch
        var writer: String
        var nextIndex: UInt64 = 0
        /// On connections that deliver in order, each at its own pace: the last one is the newest.
        var connections: [[LogMessage]] = [[]]
        /// Published and perhaps not there: written again after a lost confirm.
        var tail: [LogMessage] = []
    }

    private var state: UInt64
    private var owners: [Owner] = []
    /// Look-up only.
    private(set) var written: [Key: LogUnit] = [:]

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 }

    private mutating func random(_ bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int((state >> 33) % UInt64(bound))
    }

    mutating func messages(_ count: Int) -> [LogMessage] {
        var messages = [
            LogMessage.generation(
                LogGeneration(hubID: "h", partition: PartitionID(0), stream: "s", incarnation: 1))
        ]
        for step in 0..<count {
            if owners.isEmpty || random(40) == 0 {
                owners.append(Owner(epoch: Epoch(generation: 1, offset: UInt64(step)), writer: "w\(step)"))
            }
            // Mostly the two newest; now and then one that was long superseded.
            let age = random(10) == 0 ? random(owners.count) : random(min(2, owners.count))
            work(owners.count - 1 - age)
            arrive(into: &messages)
        }
        return messages
    }

    private mutating func work(_ index: Int) {
        switch random(10) {
        case 0:
            // The confirm is lost: the tail goes out again on a new connection.
            owners[index].connections.append(owners[index].tail)
        case 1:
            // The connection breaks: what did not arrive never will; the tail goes out again.
            if let last = owners[index].connections.indices.last {
                owners[index].connections[last].removeAll()
            }
            owners[index].connections.append(owners[index].tail)
        default:
            let owner = owners[index]
            let unit = LogUnit(
                epoch: owner.epoch, index: owner.nextIndex, writer: owner.writer,
                recordCount: owner.nextIndex == 0 ? 1 : 1 + random(5),
                content: (0..<(owner.nextIndex == 0 ? 1 : 1 + random(9))).map { _ in UInt8(random(256)) })
            written[Key(unit)] = unit
            let parts = unit.parts(byteLimit: 3).map(LogMessage.part)
            owners[index].nextIndex += 1
            owners[index].connections[owners[index].connections.count - 1] += parts
            owners[index].tail = Array((owners[index].tail + parts).suffix(12))
        }
    }

    private mutating func arrive(into messages: inout [LogMessage]) {
        for index in owners.indices {
            for connection in owners[index].connections.indices {
                let ready = owners[index].connections[connection].count
                guard ready > 0 else { continue }
                let taken = random(min(4, ready + 1))
                messages += owners[index].connections[connection].prefix(taken)
                owners[index].connections[connection].removeFirst(taken)
            }
        }
    }
}
