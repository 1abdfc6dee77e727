import ArgumentParser
import DurableCLI
import DurableClient
import DurableCore
import Testing

@Suite("The tool itself", .timeLimit(.minutes(5))) struct ToolTests {
    @Test(
        "Help goes to standard output and teaches with examples",
        arguments: [
            ["submit"], ["status"], ["wait"], ["list"], ["history"], ["raise"], ["terminate"], ["queues"], ["workers"],
            ["dead", "list"], ["hub", "create"], ["hub", "show"], ["hub", "verify"], ["hub", "delete"],
        ])
    func help(_ command: [String]) async throws {
        let run = try await Bench().run(command + ["--help"])
        #expect(run.code == 0)
        #expect(run.errors == "")
        #expect(run.output.contains("\n  dtq \(command.joined(separator: " "))"), "an example of \(command)")
        #expect(run.output.contains("Exit codes: 0 "), "exit codes of \(command)")
    }

    @Test("An unknown command is wrong usage")
    func unknown() async throws {
        let run = try await Bench().run("sumbit", "A")
        #expect(run.code == 2)
        #expect(run.output == "")
        #expect(run.errors.contains("'sumbit'"))
    }

    @Test("Completion scripts are printed for each shell", arguments: ["bash", "zsh", "fish"])
    func completions(_ shell: String) async throws {
        let run = try await Bench().run("--generate-completion-script", shell)
        #expect(run.code == 0)
        #expect(run.output.contains("submit"))
        #expect(run.errors == "")
    }

    @Test(
        "Credentials never survive in a text",
        arguments: [
            ("amqp://guest:guest@h:5672/v", "amqp://h:5672/v"), ("(amqp://u:p@ss@h)", "(amqp://h)"),
            ("no url", "no url"), ("a amqp://h b amqps://u@h/ c", "a amqp://h b amqps://h/ c"),
        ])
    func redaction(_ text: String, _ expected: String) {
        #expect(Redaction.apply(to: text) == expected)
        #expect(ClientError(.brokerUnreachable, text).text == expected)
    }

    @Test("Options win over environment variables, empty ones count as unset")
    func connection() throws {
        let options = try ConnectionOptions.parse(["--hub", "a"])
        #expect(try options.hubName(["DTQ_HUB": "b"]).value == "a")
        #expect(try options.brokerURLs(["DTQ_BROKER": "amqp://x, amqp://y"]) == ["amqp://x", "amqp://y"])
        let none = try ConnectionOptions.parse([])
        #expect(try none.hubName(["DTQ_HUB": ""]).value == "default")
        #expect(try none.brokerURLs([:]) == ["amqp://guest:guest@127.0.0.1:5672"])
    }
}
