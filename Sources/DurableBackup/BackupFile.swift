import DurableBackend
import DurableClient
import DurableCore
import DurableWire
import Foundation

/// How records stand in a backup file: `BackupFile.magic`, then each as its length and its checksum (four bytes each, big
/// endian) and its bytes. The checksum covers the record and all before it, so that none can be missing or elsewhere.
enum BackupFile {
    static let magic = Array("dtq backup\n".utf8)
    /// Far above what is written: an instance with its inbox, or a page of history.
    static let recordLimit = 1 << 30

    static func unusable(_ path: String, _ text: String) -> ClientError {
        ClientError(.backupUnusable, "backup \(path) \(text)")
    }

    static func unwritable(_ path: String, _ error: any Error) -> ClientError {
        let isFull =
            (error as? CocoaError)?.code == .fileWriteOutOfSpace
            || ((error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError)?.code == Int(ENOSPC)
        return ClientError(
            isFull ? .diskFull : .storeUnavailable,
            "cannot write backup \(path): \(error.localizedDescription). The hub was not touched. "
                + "Make room or choose another place, then try again.",
            cause: error)
    }

    static func header(of record: [UInt8], _ checksum: inout Checksum) -> [UInt8] {
        checksum.add(record)
        return bytes(UInt32(record.count)) + bytes(UInt32(checksum.value))
    }

    static func number(_ bytes: ArraySlice<UInt8>) -> Int { bytes.reduce(0) { $0 << 8 | Int($1) } }

    private static func bytes(_ number: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> $0) }
    }
}

/// Writes a backup under another name, which it loses when it is whole.
final class BackupWriter {
    let path: String
    /// Of this writer alone: two that make the same backup must not write into one file.
    private let temporary: String
    private let handle: FileHandle
    private var checksum = Checksum()
    private(set) var recordCount: UInt64 = 0
    private(set) var byteCount = 0

    /// - Throws: `ClientError`; DTQ5003 when there is a file of that name.
    init(_ path: String) throws {
        self.path = path
        temporary = "\(path).\(UUID().uuidString.prefix(8).lowercased()).partial"
        if FileManager.default.fileExists(atPath: path) {
            throw ClientError(.wrongArgument, "\(path) is there already. Nothing was done. Choose another name.")
        }
        guard
            FileManager.default.createFile(
                atPath: temporary, contents: nil, attributes: [.posixPermissions: 0o600])
        else {
            throw ClientError(
                .storeUnavailable,
                "cannot make \(temporary). Nothing was done. Check that its directory is there and may be written.")
        }
        do {
            handle = try FileHandle(forWritingTo: URL(fileURLWithPath: temporary))
        } catch {
            try? FileManager.default.removeItem(atPath: temporary)
            throw BackupFile.unwritable(path, error)
        }
        do {
            try put(BackupFile.magic)
        } catch {
            discard()
            throw error
        }
    }

    func write(_ record: BackupRecord) throws {
        let bytes = record.wireBytes
        try put(BackupFile.header(of: bytes, &checksum))
        try put(bytes)
        recordCount += 1
    }

    /// Gives the file its name.
    func finish(isConsistent: Bool) throws {
        try write(.end(.init(recordCount: recordCount, isConsistent: isConsistent)))
        do {
            try handle.synchronize()
            try handle.close()
            try FileManager.default.moveItem(atPath: temporary, toPath: path)
        } catch {
            throw BackupFile.unwritable(path, error)
        }
    }

    func discard() {
        try? handle.close()
        try? FileManager.default.removeItem(atPath: temporary)
    }

    private func put(_ bytes: [UInt8]) throws {
        do {
            try handle.write(contentsOf: Data(bytes))
            byteCount += bytes.count
        } catch {
            throw BackupFile.unwritable(path, error)
        }
    }
}

/// Reads a backup record by record.
final class BackupReader {
    private let path: String
    private let handle: FileHandle
    private var checksum = Checksum()
    private var position = 0
    private var recordCount: UInt64 = 0
    private var isEnded = false

    /// - Throws: `ClientError` DTQ1009, DTQ5003 when there is no such file.
    init(_ path: String) throws {
        self.path = path
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw ClientError(.wrongArgument, "there is no backup \(path), or it may not be read. Nothing was done.")
        }
        self.handle = handle
        let magic = try read(BackupFile.magic.count)
        if magic != BackupFile.magic {
            throw BackupFile.unusable(
                path, "is no backup of ours. Nothing was done. Name a file that dtq hub backup wrote.")
        }
    }

    deinit { try? handle.close() }

    /// - Returns: nil behind the end.
    func next() throws -> BackupRecord? {
        if isEnded {
            if try !read(1).isEmpty { throw damaged("something follows its end") }
            return nil
        }
        let start = position
        let header = try whole(8)
        let length = BackupFile.number(header[..<4])
        guard length <= BackupFile.recordLimit else { throw damaged("a record is too long", at: start) }
        let bytes = try whole(length)
        guard Array(header) == BackupFile.header(of: bytes, &checksum) else {
            throw damaged("a checksum is wrong", at: start)
        }
        let record: BackupRecord
        do throws(WireError) {
            record = try BackupRecord(wire: bytes)
        } catch {
            switch error {
            case .newerFormat(let found, let supported):
                throw BackupFile.unusable(
                    path,
                    "was written by a newer version (format \(found), this one reads up to \(supported)). Nothing was "
                        + "done. Use that version of dtq, or a later one.")
            case .undecodable(let text): throw damaged(text, at: start)
            }
        }
        if case .end(let end) = record {
            guard end.recordCount == recordCount else { throw damaged("records are missing", at: start) }
            isEnded = true
        }
        recordCount += 1
        return record
    }

    private func whole(_ count: Int) throws -> [UInt8] {
        let bytes = try read(count)
        guard bytes.count == count else {
            throw BackupFile.unusable(
                path,
                "ends in the middle, after \(position) bytes. Nothing was done. Fetch it again, or use an earlier one.")
        }
        return bytes
    }

    private func read(_ count: Int) throws -> [UInt8] {
        do {
            let bytes = [UInt8](try handle.read(upToCount: count) ?? Data())
            position += bytes.count
            return bytes
        } catch {
            throw BackupFile.unusable(path, "cannot be read: \(error.localizedDescription). Nothing was done.")
        }
    }

    func damaged(_ text: String, at place: Int? = nil) -> ClientError {
        BackupFile.unusable(
            path,
            "is damaged at byte \(place ?? position): \(text). Nothing was done. Fetch it again, or use an earlier one."
        )
    }
}
