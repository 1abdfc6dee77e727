internal import DurableBackend
internal import DurableCore
internal import DurableWire
internal import Foundation
internal import GRDB

/// The row that says where the tables stand.
struct StoreState {
    var position: LogPosition
    /// Its outbox is in a table of its own.
    var partition: PartitionState

    init(position: LogPosition = LogPosition(0), partition: PartitionState = PartitionState()) {
        self.position = position
        self.partition = partition
    }

    /// Values for position, epoch (2), next outbox ID, deduplication, sequences, checksum, evidence, delivered, whether
    /// it must redrive.
    var columns: StatementArguments {
        let parts = Parts(partition)
        return [
            position.value.column, Int64(partition.epoch.generation), partition.epoch.offset.column,
            partition.nextOutboxID.value.column, Data(parts.deduplication), Data(parts.sequences),
            checksum(parts), Data(parts.evidence), Data(parts.delivered), partition.mustRedrive ? 1 : 0,
            partition.expiredBefore?.millisecondsSinceEpoch,
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

    /// What other partitions have applied, without a look at the rest.
    static func delivered(_ database: Database) throws -> [PartitionID: UInt64] {
        let statement = try database.cachedStatement(sql: "SELECT delivered FROM store_state")
        guard let bytes = try statement.first([], { try $0.bytes(0) }) else {
            throw RowDamage("the tables' state is missing")
        }
        return try WatermarkCodec.sequences(bytes)
    }

    /// Before which time everything that ended is purged, without a look at the rest.
    static func expiredBefore(_ database: Database) throws -> Timestamp? {
        let statement = try database.cachedStatement(sql: "SELECT expired_before FROM store_state")
        return try statement.first([]) { ($0[0] as Int64?).map(Timestamp.init(millisecondsSinceEpoch:)) } ?? nil
    }

    static func read(_ database: Database) throws -> StoreState {
        let statement = try database.cachedStatement(
            sql: """
                SELECT position, epoch_generation, epoch_offset, next_outbox, deduplication, sequences, checksum,
                    evidence, delivered, must_redrive, expired_before
                FROM store_state
                """)
        guard let state = try statement.first([], Self.init) else { throw RowDamage("the tables' state is missing") }
        return state
    }

    private init(_ row: Row) throws {
        let parts = Parts(
            deduplication: try row.bytes(4), sequences: try row.bytes(5), evidence: try row.bytes(7),
            delivered: try row.bytes(8))
        self.init(
            position: try row.position(0),
            partition: PartitionState(
                epoch: try row.epoch(1), nextOutboxID: OutboxID(UInt64(column: try row.integer(3))),
                mustRedrive: try row.integer(9) != 0,
                expiredBefore: (row[10] as Int64?).map(Timestamp.init(millisecondsSinceEpoch:))))
        guard try row.integer(6) == checksum(parts) else {
            throw RowDamage("the tables' state has a wrong checksum")
        }
        partition.deduplication = try WatermarkCodec.deduplication(parts.deduplication)
        partition.sequences = try WatermarkCodec.sequences(parts.sequences)
        partition.delivered = try WatermarkCodec.sequences(parts.delivered)
        if !parts.evidence.isEmpty { partition.evidence = try CrashEvidence(wire: parts.evidence) }
    }

    func write(_ database: Database) throws {
        try database.cachedStatement(
            sql: """
                UPDATE store_state SET position = ?, epoch_generation = ?, epoch_offset = ?, next_outbox = ?,
                    deduplication = ?, sequences = ?, checksum = ?, evidence = ?, delivered = ?, must_redrive = ?,
                    expired_before = ?
                """
        ).execute(arguments: columns)
    }

    private func checksum(_ parts: Parts) -> Int64 {
        var checksum = Checksum()
        checksum.add(position.value)
        checksum.add(Int64(partition.epoch.generation))
        checksum.add(partition.epoch.offset)
        checksum.add(partition.nextOutboxID.value)
        checksum.add(parts.deduplication)
        checksum.add(parts.sequences)
        // Left out when there are none, so that files of earlier formats keep theirs.
        if !parts.evidence.isEmpty { checksum.add(parts.evidence) }
        if !parts.delivered.isEmpty || partition.mustRedrive {
            checksum.add(parts.delivered)
            checksum.add(Int64(partition.mustRedrive ? 1 : 0))
        }
        if let time = partition.expiredBefore { checksum.add(time.millisecondsSinceEpoch) }
        return checksum.value
    }

    /// What is written as bytes.
    private struct Parts {
        var deduplication: [UInt8]
        var sequences: [UInt8]
        /// None is written as nothing, as it is in files of the first format.
        var evidence: [UInt8]
        var delivered: [UInt8]

        init(deduplication: [UInt8], sequences: [UInt8], evidence: [UInt8], delivered: [UInt8]) {
            self.deduplication = deduplication
            self.sequences = sequences
            self.evidence = evidence
            self.delivered = delivered
        }

        init(_ state: PartitionState) {
            deduplication = WatermarkCodec.encode(state.deduplication)
            sequences = WatermarkCodec.encode(state.sequences)
            evidence = state.evidence == CrashEvidence() ? [] : state.evidence.wireBytes
            delivered = WatermarkCodec.encode(state.delivered)
        }
    }
}
