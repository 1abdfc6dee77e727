internal import DurableBackend
internal import DurableCore
internal import Foundation
internal import GRDB

// How core values stand in columns. SQLite's integers are signed: unsigned ones keep their bits.

extension UInt64 {
    var column: Int64 { Int64(bitPattern: self) }
    init(column: Int64) { self.init(bitPattern: column) }
}

extension Row {
    /// - Throws: when the column is NULL or of another type, which the schema rules out: the file is damaged.
    func integer(_ index: Int) throws -> Int64 {
        guard let value = self[index] as Int64? else { throw ColumnError(index: index) }
        return value
    }

    func bytes(_ index: Int) throws -> [UInt8] {
        try withUnsafeData(atIndex: index) { data in
            guard let data else { throw ColumnError(index: index) }
            return [UInt8](data)
        }
    }

    func text(_ index: Int) throws -> String {
        guard let value = self[index] as String? else { throw ColumnError(index: index) }
        return value
    }

    func epoch(_ index: Int) throws -> Epoch {
        guard let generation = UInt32(exactly: try integer(index)) else { throw ColumnError(index: index) }
        return Epoch(generation: generation, offset: UInt64(column: try integer(index + 1)))
    }

    func time(_ index: Int) throws -> Timestamp { Timestamp(millisecondsSinceEpoch: try integer(index)) }

    func status(_ index: Int) throws -> OrchestrationStatus {
        guard let status = Int32(exactly: try integer(index)).flatMap(OrchestrationStatus.init(rawValue:)) else {
            throw ColumnError(index: index)
        }
        return status
    }

    func position(_ index: Int) throws -> LogPosition { LogPosition(UInt64(column: try integer(index))) }
}

struct ColumnError: Error {
    var index: Int
}

/// Rows that SQLite reads without complaint and that cannot be right.
struct RowDamage: Error {
    var text: String
    init(_ text: String) { self.text = text }
}

extension Statement {
    /// Reads the first row while the statement stands on it; nil when there is none.
    func first<Value>(_ arguments: StatementArguments = [], _ read: (Row) throws -> Value) throws -> Value? {
        let rows = try Row.fetchCursor(self, arguments: arguments)
        return try withExtendedLifetime(rows) { try rows.next().map(read) }
    }

    func map<Value>(_ arguments: StatementArguments = [], _ read: (Row) throws -> Value) throws -> [Value] {
        let rows = try Row.fetchCursor(self, arguments: arguments)
        var values: [Value] = []
        while let row = try rows.next() { values.append(try read(row)) }
        return values
    }
}
