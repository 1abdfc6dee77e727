import Foundation
import Testing

@Suite("Documentation") struct DocumentationTests {
    /// What was built together with this test.
    private static let modules = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
        .deletingLastPathComponent().appendingPathComponent("Modules")

    @Test("Every public symbol that app authors import has a docstring")
    func everySymbolHasADocstring() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: directory) }
        let run = try run("ops/lib/symbol-graphs", Self.modules.path, directory.path)
        try #require(run.status == 0, "\(run.text)")
        let files = try FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil)
        let graphs = try files.map { try JSONDecoder().decode(SymbolGraph.self, from: Data(contentsOf: $0)) }
        let names = Set(graphs.map(\.module.name))
        #expect(names.isSuperset(of: ["Durable", "DurableClient", "DurableCore", "DurableTask", "DurableTestKit"]))
        #expect(graphs.flatMap(\.symbols).count > 500)
        let missing = graphs.flatMap { graph in graph.undocumented.map { "\(graph.module.name): \($0)" } }
        #expect(missing.isEmpty, "write docstrings of:\n\(missing.sorted().joined(separator: "\n"))")
    }

    @Test("The catalogue's links lead somewhere")
    func catalogueIsWhole() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: directory) }
        let run = try run("ops/docs", "--modules", Self.modules.path, directory.path)
        #expect(run.status == 0, "\(run.text)")
    }

    @Test("Swift code in the catalogue stands in a test or an example, where it is compiled")
    func articleCodeIsCompiled() throws {
        func files(in path: String, _ suffix: String) throws -> [URL] {
            let files = try #require(
                FileManager.default.enumerator(
                    at: repositoryRoot.appendingPathComponent(path), includingPropertiesForKeys: nil))
            return files.compactMap { $0 as? URL }.filter { $0.pathExtension == suffix }
        }
        let compiled = try (files(in: "Tests", "swift") + files(in: "examples", "swift")).map { try Self.lines(of: $0) }
        let articles = try files(in: "Sources/Durable/Durable.docc", "md")
        #expect(!articles.isEmpty)
        for article in articles {
            for block in Self.swiftBlocks(of: try Self.lines(of: article)) {
                #expect(
                    compiled.contains { $0.contains(block) },
                    "\(article.lastPathComponent): put this into Tests/DocumentationTests as it is:\n\(block.joined(separator: "\n"))"
                )
            }
        }
    }

    /// Without indentation and empty lines.
    private static func lines(of file: URL) throws -> [String] {
        try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
            .map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    }

    private static func swiftBlocks(of lines: [String]) -> [[String]] {
        var blocks: [[String]] = []
        var rest = lines[...]
        while let start = rest.firstIndex(of: "```swift") {
            let code = rest[(start + 1)...].prefix { $0 != "```" }
            blocks.append(Array(code))
            rest = rest[code.endIndex...]
        }
        return blocks
    }
}

/// As `swift-symbolgraph-extract` writes it, as far as it is needed.
private struct SymbolGraph: Decodable {
    struct Module: Decodable { var name: String }
    struct Symbol: Decodable {
        struct Identifier: Decodable { var precise: String }
        struct Docstring: Decodable {}
        struct Location: Decodable {
            struct Position: Decodable { var line: Int }
            var uri: String
            var position: Position
        }
        var identifier: Identifier
        var pathComponents: [String]
        var docComment: Docstring?
        var location: Location?
    }
    struct Relationship: Decodable {
        struct Origin: Decodable {}
        var source: String
        /// What the symbol implements, such as a protocol's requirement, which has a docstring of its own.
        var sourceOrigin: Origin?
    }

    var module: Module
    var symbols: [Symbol]
    var relationships: [Relationship]

    /// With file and line. What implements something, or was made by the compiler, is left out.
    var undocumented: [String] {
        let implementations = Set(relationships.filter { $0.sourceOrigin != nil }.map(\.source))
        return symbols.compactMap { symbol in
            if symbol.docComment != nil || implementations.contains(symbol.identifier.precise) { return nil }
            let name = symbol.pathComponents.joined(separator: ".")
            guard let location = symbol.location else { return name }
            let file = location.uri.split(separator: "/").suffix(2).joined(separator: "/")
            return "\(name) (\(file):\(location.position.line + 1))"
        }
    }
}
