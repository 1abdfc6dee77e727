package import ArgumentParser
import DurableBackend
import DurableClient
package import DurableCore
import DurablePayloads

/// Which broker and which hub: the same options for every command and for worker programs.
package struct ConnectionOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Broker to use, as amqp://USER:PASSWORD@HOST:PORT/VHOST (environment: DTQ_BROKER).",
            discussion: "Several URLs of one cluster are separated by commas. Default: \(Self.defaultBroker). "
                + "Put passwords into the environment: arguments are visible to other users.",
            valueName: "url"))
    package var broker: String?

    @Option(help: ArgumentHelp("Task hub to use (environment: DTQ_HUB; default: default).", valueName: "name"))
    package var hub: String?

    package init() {}

    package static let defaultBroker = "amqp://guest:guest@127.0.0.1:5672"

    /// - Returns: 1 or more URLs.
    /// - Throws: `ClientError` DTQ5003.
    package func brokerURLs(_ variables: [String: String]) throws -> [String] {
        try Self.brokerURLs(option: broker, variables)
    }

    /// For commands that name their hub themselves.
    package static func brokerURLs(option: String?, _ variables: [String: String]) throws -> [String] {
        let text = chosen(option, variables["DTQ_BROKER"]) ?? defaultBroker
        let urls = text.split(separator: ",").map { String($0.filter { $0 != " " }) }.filter { !$0.isEmpty }
        if urls.isEmpty { throw ClientError.usage("--broker (DTQ_BROKER) names no URL.") }
        for url in urls where !url.hasPrefix("amqp://") && !url.hasPrefix("amqps://") {
            throw ClientError.usage(
                "--broker (DTQ_BROKER) must begin with amqp:// or amqps://, this does not: \(Redaction.apply(to: url))."
            )
        }
        return urls
    }

    /// - Throws: `ClientError` DTQ5003.
    package func hubName(_ variables: [String: String]) throws -> HubName {
        let text = Self.chosen(hub, variables["DTQ_HUB"]) ?? "default"
        guard let name = HubName(text) else {
            throw ClientError.usage(
                "--hub (DTQ_HUB) has 1 to 64 letters, digits, - and _, this has not: \(TerminalText.safe(text)).")
        }
        return name
    }

    /// An empty variable counts as unset.
    private static func chosen(_ option: String?, _ variable: String?) -> String? {
        option ?? variable.flatMap { $0.isEmpty ? nil : $0 }
    }
}

extension ConnectionOptions {
    /// Opens a transport for as long as `body` runs.
    func withTransport<Result>(
        _ environment: CommandEnvironment, _ body: (any MessageTransport, HubName) async throws -> Result
    ) async throws -> Result {
        let hub = try hubName(environment.variables)
        let urls = try brokerURLs(environment.variables)
        let transport: any MessageTransport
        do {
            transport = try await environment.makeTransport(urls)
        } catch let error as TransportError {
            throw ClientError.wrapping(error, "cannot reach the broker at \(Redaction.apply(to: urls[0]))")
        }
        do {
            let result = try await body(transport, hub)
            await transport.close()
            return result
        } catch {
            await transport.close()
            throw error
        }
    }

    /// Connects to the hub for as long as `body` runs.
    func withClient<Result>(
        _ environment: CommandEnvironment, _ body: (HubClient) async throws -> Result
    ) async throws -> Result {
        try await withTransport(environment) { transport, hub in
            let payloads = try await environment.payloadOptions()
            let client = try await HubClient.connect(
                transport: transport, hub: hub, clock: environment.clock,
                payloads: { PayloadPipeline(payloads, hubID: $0) }, makeID: environment.makeID)
            do {
                let result = try await body(client)
                await client.close()
                return result
            } catch {
                await client.close()
                throw error
            }
        }
    }
}

/// Form of the results.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print the result as one JSON document with stable keys.")
    var json = false
}
