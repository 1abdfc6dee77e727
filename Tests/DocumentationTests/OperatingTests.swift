import Durable

// Code of the article "Run and operate a fleet".

func look(_ client: TaskHubClient) async throws {
    let id = InstanceID("o-1881")
    guard let snapshot = try await client.status(of: id) else { return }
    if let code = snapshot.holdCode { print("held: \(code) \(snapshot.holdText ?? "")") }
    try await client.suspend(id, reason: "the warehouse counts its stock")
    try await client.resume(id)
    try await client.cancel(id, reason: "the customer changed his mind")
    let end = try await client.waitForEnd(of: id, timeout: .seconds(60))
    print(end?.status ?? .running)
}

func tidyUp(_ client: TaskHubClient) async throws {
    try await client.start(readMeters, input: ["north"], tags: ["region": "eu"])
    let european = InstanceQuery(tags: ["region": "eu"])
    print(try await client.count(european)[.failed] ?? 0)
    for snapshot in try await client.list(european, limit: 20) {
        print("\(snapshot.id) is \(snapshot.status)")
        if snapshot.status == .failed { try await client.rewind(snapshot.id, reason: "the meters answer again") }
    }
    let purged = try await client.purge(all: european)
    print("\(purged.instanceCount) removed")
}

func connect() async throws -> TaskHubClient {
    try await TaskHubClient.connect(broker: "amqp://guest:guest@127.0.0.1:5672", hub: "orders")
}

func runInOneProcess() async throws {
    let hub = try await TaskHub.embedded(path: "./hub", readMeter, readMeters)
    let started = try await hub.client.start(readMeters, input: ["north", "south"])
    print(try await hub.client.output(of: readMeters, started.id))
    await hub.stop()
}
