import Durable
import Foundation

struct Job: Codable, Sendable {
    var film: Film
    /// Where the result goes, and next to it the segments.
    var output: String
    var segmentCount: Int
    /// How long a frame takes at least.
    var frameMilliseconds: Int
}

struct Segment: Codable, Sendable {
    var job: Job
    var number: Int

    /// Its first frame, and the one after its last.
    var frames: Range<Int> {
        let length = (job.film.frameCount + job.segmentCount - 1) / job.segmentCount
        let first = min(number * length, job.film.frameCount)
        return first..<min(first + length, job.film.frameCount)
    }

    var path: String { "\(job.output).\(number)" }
}

/// How far the encoding of a segment has come: what a later run of it begins with.
struct Progress: Codable, Sendable {
    var nextFrame: Int
    /// Of the file that are of use.
    var bytes: UInt64
}

let render = Activity("Render") { (film: Film, _: ActivityContext) in try film.render() }

/// Encodes for minutes, frame by frame. Should its worker die, the next one goes on where the last heartbeat says, and not
/// with the first frame.
let encode = Activity("Encode") { (segment: Segment, context: ActivityContext) -> UInt64 in
    let film = segment.job.film
    let start = try context.lastHeartbeat() ?? Progress(nextFrame: segment.frames.lowerBound, bytes: 0)
    if !FileManager.default.fileExists(atPath: segment.path) {
        _ = FileManager.default.createFile(atPath: segment.path, contents: nil)
    }
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: segment.path))
    defer { try? file.close() }
    // What was written after that heartbeat is written again.
    try file.truncate(atOffset: start.bytes)
    try file.seekToEnd()
    try note("segment \(segment.number) from frame \(start.nextFrame - segment.frames.lowerBound)", segment.job)

    var progress = start
    // The first frame of a segment stands alone, so that segments can be encoded side by side.
    var previous = start.nextFrame > segment.frames.lowerBound ? try film.frame(start.nextFrame - 1) : nil
    for number in start.nextFrame..<segment.frames.upperBound {
        let frame = try film.frame(number)
        let encoded = Codec.encode(frame, after: previous)
        try file.write(contentsOf: Data(encoded))
        previous = frame
        progress = Progress(nextFrame: number + 1, bytes: progress.bytes + UInt64(encoded.count))
        // Also where it ends when the pipeline is called off.
        try context.heartbeat(progress)
        try await Task.sleep(for: .milliseconds(segment.job.frameMilliseconds))
    }
    try file.synchronize()
    return progress.bytes
}

/// Puts the segments together.
let join = Activity("Join") { (job: Job, _: ActivityContext) -> Int in
    var whole = Data()
    for number in 0..<job.segmentCount {
        whole += try Data(contentsOf: URL(fileURLWithPath: Segment(job: job, number: number).path))
    }
    try whole.write(to: URL(fileURLWithPath: job.output), options: .atomic)
    return whole.count
}

/// Decodes the result and compares it with the film, frame by frame.
let check = Activity("Check") { (job: Job, _: ActivityContext) -> Bool in
    var encoded = Array(try Data(contentsOf: URL(fileURLWithPath: job.output)))[...]
    for number in 0..<job.segmentCount {
        var previous: [UInt8]?
        for index in Segment(job: job, number: number).frames {
            let frame = Codec.decode(&encoded, bytes: job.film.frameBytes, after: previous)
            if try frame != job.film.frame(index) { return false }
            previous = frame
        }
    }
    return encoded.isEmpty
}

let removeSegments = Activity("RemoveSegments") { (job: Job, _: ActivityContext) in
    for number in 0..<job.segmentCount {
        try? FileManager.default.removeItem(atPath: Segment(job: job, number: number).path)
    }
}

/// From a film to its encoded form, segments side by side.
let videoPipeline = Orchestration("VideoPipeline") { (job: Job, context: OrchestrationContext) -> String in
    let patient = RetryPolicy(maximumAttempts: 5, firstInterval: .seconds(1), backoffCoefficient: 2)
    try await context.callActivity(render, job.film, retry: patient)
    // Called off or failed, it leaves no segments behind.
    return try await context.withCompensation(includingTermination: true) { saga in
        saga.addCompensation { try await context.callActivity(removeSegments, job, retry: patient) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<job.segmentCount {
                let segment = Segment(job: job, number: number)
                group.addTask { _ = try await context.callActivity(encode, segment, retry: patient) }
            }
            var done = 0
            for try await _ in group {
                done += 1
                context.setCustomStatus("\(done) of \(job.segmentCount) segments")
            }
        }
        let bytes = try await context.callActivity(join, job, retry: patient)
        guard try await context.callActivity(check, job, retry: patient) else { throw Damaged() }
        try await context.callActivity(removeSegments, job, retry: patient)
        return "\(job.film.frameBytes * job.film.frameCount) bytes became \(bytes)"
    }
}

struct Damaged: NonRetryableError {}

/// Leaves a line for whoever wants to see where runs began. Segments do so side by side, so each line is appended in one
/// write.
private func note(_ line: String, _ job: Job) throws {
    guard let file = fopen(job.output + ".log", "a") else { throw CocoaError(.fileWriteUnknown) }
    defer { fclose(file) }
    fputs(line + "\n", file)
}

@main struct VideoPipeline {
    static func main() async {
        await Worker.main(videoPipeline, render, encode, join, check, removeSegments)
    }
}
