import Foundation

/// Gray frames of 8 bits a pixel, one after the other in a file, without a header.
struct Film: Codable, Sendable {
    var path: String
    var width: Int
    var height: Int
    var frameCount: Int

    var frameBytes: Int { width * height }

    /// A ball that moves over a chequered floor.
    func render() throws {
        var film = Data(capacity: frameBytes * frameCount)
        for frame in 0..<frameCount {
            let (x, y) = (frame * 3 % width, height / 2 + frame % (height / 4))
            for row in 0..<height {
                for column in 0..<width {
                    let isBall = (column - x) * (column - x) + (row - y) * (row - y) < height
                    film.append(isBall ? 255 : (row / 8 + column / 8) % 2 == 0 ? 64 : 96)
                }
            }
        }
        try film.write(to: URL(fileURLWithPath: path), options: .atomic)
    }

    /// - Parameter index: From 0.
    func frame(_ index: Int) throws -> [UInt8] {
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        defer { try? file.close() }
        try file.seek(toOffset: UInt64(index * frameBytes))
        guard let data = try file.read(upToCount: frameBytes), data.count == frameBytes else {
            throw Truncated(path: path)
        }
        return Array(data)
    }
}

struct Truncated: Error { var path: String }

/// Frames as what changed since the one before, in runs of equal bytes: length (1 to 255), byte.
enum Codec {
    static func encode(_ frame: [UInt8], after previous: [UInt8]?) -> [UInt8] {
        var encoded: [UInt8] = []
        var (run, value) = (0, UInt8(0))
        for index in frame.indices {
            let change = previous.map { $0[index] ^ frame[index] } ?? frame[index]
            if run > 0, change == value, run < 255 {
                run += 1
                continue
            }
            if run > 0 { encoded += [UInt8(run), value] }
            (run, value) = (1, change)
        }
        if run > 0 { encoded += [UInt8(run), value] }
        return encoded
    }

    /// Takes one frame off the front of `encoded`.
    static func decode(_ encoded: inout ArraySlice<UInt8>, bytes: Int, after previous: [UInt8]?) -> [UInt8]? {
        var frame: [UInt8] = []
        while frame.count < bytes {
            guard let run = encoded.popFirst(), let value = encoded.popFirst() else { return nil }
            frame += repeatElement(value, count: Int(run))
        }
        guard frame.count == bytes else { return nil }
        return previous.map { zip(frame, $0).map { $0 ^ $1 } } ?? frame
    }
}
