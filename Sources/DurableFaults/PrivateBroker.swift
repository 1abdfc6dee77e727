package import Foundation

/// One node of RabbitMQ, or a cluster of three, that `ops/lib/broker.sh` runs for us alone.
package final class PrivateBroker {
    /// Of the node, or of the cluster's nodes `1`, `2` and `3`.
    package let directory: URL
    package let isCluster: Bool
    private let script: URL

    /// - Parameter script: `ops/lib/broker.sh`.
    package init(in directory: URL, isCluster: Bool = false, script: URL) {
        self.directory = directory
        self.isCluster = isCluster
        self.script = script
    }

    private var nodes: [URL] {
        isCluster ? (1...3).map { directory.appendingPathComponent("\($0)") } : [directory]
    }

    package func start() throws {
        try run(isCluster ? "cluster" : "start", directory.path, isCluster ? nil : try? port(of: 0).description)
    }

    /// In order, as a service manager does.
    package func stop() throws { try run("stop", directory.path) }

    /// kill -9 of one node, 0 to 2 in a cluster.
    package func kill(node: Int = 0) throws { try run("kill", nodes[node].path) }

    /// Starts a node again that was killed or stopped, on its port.
    package func restart(node: Int = 0) throws { try run("start", nodes[node].path, "\(port(of: node))") }

    @discardableResult
    package func control(node: Int = 0, _ arguments: String...) throws -> String {
        try run(["ctl", nodes[node].path] + arguments)
    }

    /// URLs of all nodes, as `--broker` takes them.
    package func urls() throws -> String {
        try nodes.indices.map { "amqp://guest:guest@127.0.0.1:\(try port(of: $0))/" }.joined(separator: ",")
    }

    package func port(of node: Int) throws -> Int {
        let file = nodes[node].appendingPathComponent("node")
        let port = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
            .first { $0.hasPrefix("port=") }.flatMap { Int($0.dropFirst(5)) }
        guard let port else { throw Fleet.CommandFailed(text: "\(file.path) names no port") }
        return port
    }

    private func run(_ arguments: String?...) throws { try run(arguments.compactMap(\.self)) }

    @discardableResult
    private func run(_ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = script
        process.arguments = arguments
        // A file, not a pipe: the node outlives the script and would keep the pipe open.
        let output = directory.deletingLastPathComponent().appendingPathComponent("broker-\(UUID().uuidString).out")
        _ = FileManager.default.createFile(atPath: output.path, contents: nil)
        defer { try? FileManager.default.removeItem(at: output) }
        let handle = try FileHandle(forWritingTo: output)
        process.standardOutput = handle
        process.standardError = handle
        try process.runWithSignals()
        process.waitUntilExit()
        let text = (try? String(contentsOf: output, encoding: .utf8)) ?? ""
        guard process.terminationStatus == 0 else {
            throw Fleet.CommandFailed(text: "broker.sh \(arguments.joined(separator: " ")) failed: \(text)")
        }
        return text
    }
}
