import Foundation

/// The commit this program was built from, as far as it can be known.
enum Commit {
    /// `DTQ_COMMIT`, or what git says about the folder the program is in; `-changed` when files differ from it.
    static func find(_ variables: [String: String]) -> String {
        if let given = variables["DTQ_COMMIT"], !given.isEmpty { return given }
        let folder = URL(fileURLWithPath: HashSeed.executable).deletingLastPathComponent().path
        guard let commit = git(["-C", folder, "rev-parse", "--short", "HEAD"]), !commit.isEmpty else {
            return "unknown"
        }
        let changes = git(["-C", folder, "status", "--porcelain", "--untracked-files=no"]) ?? ""
        return changes.isEmpty ? commit : "\(commit)-changed"
    }

    private static func git(_ arguments: [String]) -> String? {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["git"] + arguments
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return nil }
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return process.terminationStatus == 0 ? text.trimmingCharacters(in: .whitespacesAndNewlines) : nil
    }
}
