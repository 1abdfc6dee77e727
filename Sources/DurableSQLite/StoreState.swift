internal import DurableBackend
internal import DurableCore
internal import DurableWire
internal import Foundation
internal import GRDB

/// The row that says where the tables stand.
struct StoreState {
    var position: LogPosition
    var epoch: Epoch
    var nextOutboxID: OutboxID
    var deduplication: Deduplication
    var sequences: [PartitionID: UInt64]
    var evidence: CrashEvidence

    init(
        position: LogPosition, epoch: Epoch, nextOutboxID: OutboxID, deduplication: Deduplication = Deduplication(),
        sequences: [PartitionID: UInt64] = [:], evidence: CrashEvidence = CrashEvidence()
    ) {
        self.position = position
        self.epoch = epoch
        self.nextOutboxID = nextOutboxID
        self.deduplication = deduplication
        self.sequences = sequences
        self.evidence = evidence
    }

    /// Values for position, epoch (2), next outbox ID, deduplication, sequences, checksum, evidence.
    var columns: StatementArguments {
        let deduplicationBytes = WatermarkCodec.encode(deduplication)
        let sequenceBytes = WatermarkCodec.encode(sequences)
        // None is written as nothing, as it is in files of the format before.
        let evidenceBytes = evidence == CrashEvidence() ? [] : evidence.wireBytes
        return [
            position.value.column, Int64(epoch.generation), epoch.offset.column, nextOutboxID.value.column,
            Data(deduplicationBytes), Data(sequenceBytes),
            checksum(deduplicationBytes, sequenceBytes, evidenceBytes), Data(evidenceBytes),
        ]
    }

    /// The position alone, without a look at the rest.
    static func position(_ database: Database) throws -> LogPosition {
        let statement = try database.cachedStatement(sql: "SELECT position FROM store_state")
        guard let position = try statement.first([], { try $0.position(0) }) else {
            throw RowDamage("the tables' position is missing")
        }
        return position
    }

    static func read(_ database: Database) throws -> StoreState {
        let statement = try database.cachedStatement(
            sql: """
                SELECT position, epoch_generation, epoch_offset, next_outbox, deduplication, sequences, checksum,
                    evidence
                FROM store_state
                """)
        guard let state = try statement.first([], Self.init) else { throw RowDamage("the tables' state is missing") }
        return state
    }

    private init(_ row: Row) throws {
        let (deduplication, sequences, evidence) = (try row.bytes(4), try row.bytes(5), try row.bytes(7))
        self.init(
            position: try row.position(0), epoch: try row.epoch(1),
            nextOutboxID: OutboxID(UInt64(column: try row.integer(3))))
        guard try row.integer(6) == checksum(deduplication, sequences, evidence) else {
            throw RowDamage("the tables' state has a wrong checksum")
        }
        self.deduplication = try WatermarkCodec.deduplication(deduplication)
        self.sequences = try WatermarkCodec.sequences(sequences)
        if !evidence.isEmpty { self.evidence = try CrashEvidence(wire: evidence) }
    }

    func write(_ database: Database) throws {
        try database.cachedStatement(
            sql: """
                UPDATE store_state SET position = ?, epoch_generation = ?, epoch_offset = ?, next_outbox = ?,
                    deduplication = ?, sequences = ?, checksum = ?, evidence = ?
                """
        ).execute(arguments: columns)
    }

    private func checksum(_ deduplication: [UInt8], _ sequences: [UInt8], _ evidence: [UInt8]) -> Int64 {
        var checksum = Checksum()
        checksum.add(position.value)
        checksum.add(Int64(epoch.generation))
        checksum.add(epoch.offset)
        checksum.add(nextOutboxID.value)
        checksum.add(deduplication)
        checksum.add(sequences)
        if !evidence.isEmpty { checksum.add(evidence) }
        return checksum.value
    }
}
