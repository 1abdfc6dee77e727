import Foundation
import Testing

@Suite("Error pages") struct ErrorPageTests {
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Codes in the sources, each with one file that names it.
    private static func codesInSources() throws -> [String: String] {
        let sources = root.appendingPathComponent("Sources")
        let files = try #require(FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil))
        var codes: [String: String] = [:]
        for case let file as URL in files where file.pathExtension == "swift" {
            let text = try String(contentsOf: file, encoding: .utf8)
            for match in text.matches(of: /DTQ[0-9]{4}/) { codes[String(match.output)] = file.lastPathComponent }
        }
        return codes
    }

    private static func pages() throws -> [String: String] {
        let directory = root.appendingPathComponent("ops/errors")
        var pages: [String: String] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: directory.path) where name.hasSuffix(".md") {
            pages[String(name.dropLast(3))] = try String(
                contentsOf: directory.appendingPathComponent(name), encoding: .utf8)
        }
        return pages
    }

    @Test("Every code that the sources name has its page")
    func everyCodeHasAPage() throws {
        let pages = try Self.pages()
        let codes = try Self.codesInSources()
        #expect(!codes.isEmpty)
        for (code, file) in codes.sorted(by: { $0.key < $1.key }) {
            #expect(pages[code] != nil, "\(file) names \(code): write ops/errors/\(code).md")
        }
    }

    @Test("Every page belongs to a code that the sources name")
    func everyPageHasACode() throws {
        let codes = try Self.codesInSources()
        for page in try Self.pages().keys.sorted() {
            #expect(codes[page] != nil, "ops/errors/\(page).md: no source names \(page); remove the page")
        }
    }

    @Test("Every page has meaning, causes, how to confirm and how to fix")
    func everyPageIsWhole() throws {
        for (code, text) in try Self.pages().sorted(by: { $0.key < $1.key }) {
            #expect(text.hasPrefix("# \(code): "), "ops/errors/\(code).md begins with its code and name")
            for section in ["## Likely causes", "## How to confirm", "## How to fix"] {
                #expect(text.contains("\n\(section)\n"), "ops/errors/\(code).md lacks \"\(section)\"")
            }
        }
    }
}
