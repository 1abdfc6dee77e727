import Durable
import Foundation

struct Count: Codable, Sendable {
    var word: String
    var count: Int
}

/// Counts the words of one text file, most frequent first.
let countWords = Activity("CountWords") { (path: String, _: ActivityContext) -> [Count] in
    let text = try String(contentsOfFile: path, encoding: .utf8)
    var counts: [String: Int] = [:]
    for word in text.lowercased().split(whereSeparator: { !$0.isLetter }) { counts[String(word), default: 0] += 1 }
    return mostFrequent(counts, limit: 10_000)
}

/// Fans out over the files, one activity each, and adds the counts up as they come in.
let wordCount = Orchestration("WordCount") { (paths: [String], context: OrchestrationContext) -> [Count] in
    let total = try await withThrowingTaskGroup(of: [Count].self) { group in
        for path in paths {
            group.addTask { try await context.callActivity(countWords, path) }
        }
        var total: [String: Int] = [:]
        for try await counts in group {
            for entry in counts { total[entry.word, default: 0] += entry.count }
        }
        return total
    }
    return mostFrequent(total, limit: 20)
}

/// A dictionary's own order differs between processes, so the result is sorted by count and then by word.
func mostFrequent(_ counts: [String: Int], limit: Int) -> [Count] {
    counts.map { Count(word: $0.key, count: $0.value) }
        .sorted { ($1.count, $0.word) < ($0.count, $1.word) }
        .prefix(limit)
        .map { $0 }
}

@main struct WordCountProgram {
    static func main() async {
        await Worker.main(countWords, wordCount)
    }
}
