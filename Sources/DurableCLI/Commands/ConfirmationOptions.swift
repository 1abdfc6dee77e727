import ArgumentParser
import DurableClient

/// Destructive commands ask first.
struct ConfirmationOptions: ParsableArguments {
    @Flag(name: [.customShort("y"), .long], help: "Do not ask for confirmation.")
    var yes = false

    /// Returns when the user agrees.
    ///
    /// - Parameter word: What the user must type.
    /// - Throws: `ClientError` DTQ5003 when nobody can be asked; exit code 1 when the answer is another.
    func confirm(_ question: String, expecting word: String, _ environment: CommandEnvironment) async throws {
        if yes { return }
        guard environment.terminal.isInput else {
            throw ClientError.usage("\(question) Standard input is no terminal, so nobody can be asked: add --yes.")
        }
        environment.writeError("\(question)\nType \(word) to go on: ")
        var answer: [UInt8] = []
        while !answer.contains(UInt8(ascii: "\n")), answer.count < 1024, let bytes = try await environment.readInput() {
            answer += bytes
        }
        let line = String(
            decoding: answer.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }, as: UTF8.self)
        guard line == word else {
            environment.printError("Not confirmed. Nothing was done.")
            throw ExitCode.failure
        }
    }
}
