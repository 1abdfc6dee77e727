internal import DurableBackend
internal import DurableWire
internal import GRDB

/// What operators can do; ends the texts of our errors.
enum Remedy {
    static let restore =
        "The file was left as it is, other partitions go on. Keep a copy of it for analysis, then "
        + "restore it from a backup"
    static let space = "Free space on its volume; the partition goes on by itself"
}

extension StoreError {
    /// Says what `error`, thrown while `path` was in use, means to the engine.
    init(_ error: any Error, path: String) {
        switch error {
        case let error as StoreError:
            self = error
        case WireError.newerFormat(let found, let supported):
            self = .foreign(
                "\(path) holds a value of format \(found); this program reads formats up to \(supported). "
                    + "The file was left as it is: run a newer version of the program")
        case WireError.undecodable(let reason):
            self = .damaged("\(path) holds a value that cannot be decoded (\(reason)). \(Remedy.restore)")
        case let error as RowDamage:
            self = .damaged("\(path) is damaged: \(error.text). \(Remedy.restore)")
        case let error as ColumnError:
            self = .damaged(
                "\(path) holds a row whose column \(error.index) has no value of its type. \(Remedy.restore)")
        case let error as DatabaseError:
            self.init(error, path: path)
        default:
            self = .unavailable("\(path): \(error)")
        }
    }

    /// Result codes: https://www.sqlite.org/rescode.html
    private init(_ error: DatabaseError, path: String) {
        let reason = "\(error.message ?? "no message") (SQLite code \(error.extendedResultCode.rawValue))"
        switch error.resultCode {
        case .SQLITE_FULL:
            self = .full(
                "the disk is full: \(path) could not grow. Nothing of this write was kept, everything before "
                    + "it was. \(Remedy.space)")
        case .SQLITE_CORRUPT, .SQLITE_NOTADB:
            self = .damaged("\(path) is damaged: \(reason). \(Remedy.restore)")
        case .SQLITE_CONSTRAINT, .SQLITE_MISMATCH, .SQLITE_ERROR:
            self = .damaged("\(path) contradicts itself: \(reason). \(Remedy.restore)")
        case .SQLITE_BUSY, .SQLITE_LOCKED, .SQLITE_PROTOCOL:
            let holder = LockHolder.ofWriteLock(on: path).map { ", held by process \($0)" } ?? ""
            self = .unavailable(
                "\(path) stayed locked\(holder). Nothing was written. If that process is frozen, "
                    + "end it; otherwise no action needed unless it repeats")
        case .SQLITE_READONLY, .SQLITE_CANTOPEN, .SQLITE_PERM, .SQLITE_AUTH:
            self = .unavailable(
                "\(path) cannot be opened for writing: \(reason). It and its directory must be "
                    + "writable for the worker's user")
        default:
            self = .unavailable(
                "\(path): \(reason). Whether the last write was kept is unknown; what was confirmed "
                    + "before is kept. Check the volume")
        }
    }
}

extension StoreError {
    /// What to tell where only a text fits.
    var text: String {
        switch self {
        case .fenced(let newest): "epoch \(newest) has begun"
        case .outOfStep(let actual): "the tables stand at position \(actual)"
        case .full(let text), .missing(let text), .foreign(let text), .damaged(let text), .unavailable(let text): text
        }
    }
}

extension LogError {
    init(_ error: StoreError) {
        switch error {
        case .fenced(let newest): self = .fenced(newest: newest)
        case .full(let text): self = .full(text)
        case .damaged(let text): self = .damaged(text)
        case .missing, .foreign, .unavailable, .outOfStep: self = .unavailable(error.text)
        }
    }
}
