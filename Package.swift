// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "dtq",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "Durable", targets: ["Durable"]),
        .library(name: "DurableTestKit", targets: ["DurableTestKit"]),
        .library(name: "DurableProtobuf", targets: ["DurableProtobuf"]),
        .executable(name: "dtq", targets: ["dtq"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-protobuf", exact: "1.39.0"),
        .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
    ],
    targets: [
        // What the engine is: pure values and decisions.
        .target(name: "DurableCore", dependencies: [.ordered]),
        .target(name: "DurableWire", dependencies: ["DurableCore", "DurableBackend", .protobuf], exclude: ["Protos"]),
        .target(name: "DurableJSON", dependencies: ["DurableCore"]),
        .target(name: "DurableBackend", dependencies: ["DurableCore"]),
        .target(
            name: "DurableEngine",
            dependencies: ["DurableCore", "DurableWire", "DurableBackend", .deque, .heap, .log, .ordered]),

        // What app authors import.
        .target(name: "DurableTask", dependencies: ["DurableCore", .log]),
        .target(name: "DurableSchedules", dependencies: ["DurableTask", "DurableCore"]),
        .target(name: "DurablePayloads", dependencies: ["DurableBackend", "DurableCore", "CZlib", .crypto]),
        .target(name: "DurableProtobuf", dependencies: ["DurableTask", "DurableCore", .protobuf]),
        .target(
            name: "DurableTestKit",
            dependencies: [
                "DurableTask", "DurableBackend", "DurableCore", "DurableJSON", "DurablePayloads", .heap, .log,
            ]),
        .target(
            name: "DurableWorker", dependencies: ["DurableTask", "DurableEngine", "DurableClient", .log, .ordered]),
        .target(name: "DurableClient", dependencies: ["DurableCore", "DurableWire", "DurableBackend", "DurableTask"]),

        // Copies of whole hubs, for operators.
        .target(
            name: "DurableBackup",
            dependencies: ["DurableCore", "DurableWire", "DurableBackend", "DurableEngine", "DurableClient"]),

        // Adapters of the outside world.
        .systemLibrary(name: "CRabbitMQ", pkgConfig: "librabbitmq", providers: [.apt(["librabbitmq-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "DurableAMQP", dependencies: ["DurableBackend", "CRabbitMQ", .log]),
        .target(name: "DurableSQLite", dependencies: ["DurableBackend", "DurableWire", .ordered, .grdb]),
        .target(name: "DurableMemory", dependencies: ["DurableBackend", "DurableWire", .deque, .ordered]),

        // Programs: composition roots that pick adapters.
        .target(
            name: "Durable",
            dependencies: [
                "DurableTask", "DurableSchedules", "DurableWorker", "DurableClient", "DurableCLI", "DurableAMQP",
                "DurableSQLite", "DurableJSON", "DurableMemory", "DurablePayloads",
                .argumentParser, .log, .unixSignals,
            ]),
        .target(
            name: "DurableCLI",
            dependencies: [
                "DurableBackup", "DurableClient", "DurableCore", "DurableJSON", "DurableBackend", "DurablePayloads",
                .argumentParser,
            ]),
        .executableTarget(
            name: "dtq",
            dependencies: [
                "DurableCLI", "DurableClient", "DurableBackend", "DurableAMQP", "DurableBench", "DurableSimulation",
                "DurableSQLite", .argumentParser, .log,
            ]),
        .target(
            name: "DurableBench",
            dependencies: [
                "Durable", "DurableAMQP", "DurableBackend", "DurableCLI", "DurableClient", "DurableCore",
                "DurableEngine", "DurableSQLite", "DurableTask", "DurableWire", "DurableWorker", .argumentParser, .log,
            ]),

        // Small programs as users write them: `examples`, below.

        // Rules each adapter must obey, and the tests.
        .target(name: "CSimulation"),
        .target(
            name: "DurableSimulation",
            dependencies: [
                "CSimulation", "DurableBackend", "DurableClient", "DurableCLI", "DurableCore", "DurableEngine",
                "DurableMemory", "DurableSQLite", "DurableSchedules", "DurableTask", "DurableWire", "DurableWorker",
                .argumentParser, .heap, .log, .ordered, .sqlite,
            ]),
        .target(
            name: "DurableFaults",
            dependencies: ["Durable", "DurableBackend", "DurableClient", "DurableCore", "DurableTask", .log]),
        .executableTarget(
            name: "faults", dependencies: ["DurableFaults", "dtq", "ledger", .argumentParser], path: "ops/faults",
            exclude: ["run"]),
        .target(name: "DurableConformance", dependencies: ["DurableBackend", "DurableWire"]),
        .testTarget(name: "DurableCoreTests", dependencies: ["DurableCore"]),
        .testTarget(name: "DurableWireTests", dependencies: ["DurableWire", "DurableCore", .protobuf]),
        .testTarget(name: "DurableTaskTests", dependencies: ["DurableTask", "DurableCore", .log]),
        .testTarget(
            name: "DurablePayloadsTests",
            dependencies: [
                "DurablePayloads", "DurableProtobuf", "DurableBackend", "DurableCore", "DurableTask", .protobuf,
            ]),
        .testTarget(
            name: "DurableSchedulesTests",
            dependencies: ["DurableSchedules", "DurableTestKit", "DurableTask", "DurableCore", "nightly-schedule"]),
        .testTarget(
            name: "DurableEngineTests",
            dependencies: [
                "Durable", "DurableBackup", "DurableEngine", "DurableMemory", "DurableTask", "DurableWorker",
                "DurableClient", "DurableJSON", "DurablePayloads", "DurableSQLite", "DurableSchedules",
                "DurableConformance", .log,
            ]),
        .testTarget(name: "MemoryConformanceTests", dependencies: ["DurableMemory", "DurableConformance"]),
        .testTarget(name: "SQLiteConformanceTests", dependencies: ["DurableSQLite", "DurableConformance", .grdb]),
        .testTarget(
            name: "BrokerTests",
            dependencies: [
                "Durable", "DurableAMQP", "DurableBackend", "DurableClient", "DurableConformance", "DurableCore",
                "DurableEngine", "DurableFaults", "DurableMemory", "DurableTask", "DurableWire", "DurableWorker", .log,
            ]),
        .testTarget(
            name: "CLITests",
            dependencies: [
                "DurableCLI", "DurableClient", "DurableBackend", "DurableCore", "DurableJSON", "DurableMemory",
                "DurablePayloads", "DurableWire",
                .argumentParser,
            ]),
        .testTarget(
            name: "BenchTests",
            dependencies: [
                "DurableBench", "DurableBackend", "DurableCLI", "DurableClient", "DurableCore", "DurableSQLite",
            ]),
        .testTarget(
            name: "SimulationTests",
            dependencies: [
                "dtq", "DurableSimulation", "DurableBackend", "DurableConformance", "DurableCore", "DurableEngine",
                "DurableMemory", "DurableSchedules", "DurableSQLite", "DurableTask", "DurableWire", .log,
            ]),
        .testTarget(
            name: "FaultTests",
            dependencies: [
                "dtq", "hello-cities", "word-count", "approval", "ledger", "order-saga", "monitor", "fan-out",
                "bank-transfer",
                "nightly-schedule", "video-pipeline", "counter", "faults", "DurableAMQP", "DurableBackend",
                "DurableCore", "DurableFaults", .log,
            ]),
        .testTarget(
            name: "DurableTestKitTests",
            dependencies: [
                "DurableTestKit", "DurableBackend", "DurableCore", "DurableJSON", "DurablePayloads", "DurableTask",
                "approval",
                "hello-cities", "word-count",
                .log,
            ],
            exclude: ["Fixtures"]),
        .testTarget(name: "DocumentationTests", dependencies: ["Durable", "DurableTestKit"]),
        .testTarget(name: "LintTests"),
    ]
)

let examples = [
    "approval", "bank-transfer", "counter", "fan-out", "hello-cities", "ledger", "monitor", "nightly-schedule",
    "order-saga", "video-pipeline",
    "word-count",
]
package.targets += examples.map { name in
    .executableTarget(name: name, dependencies: ["Durable"], path: "examples/\(name)", exclude: ["run"])
}

extension Target.Dependency {
    static let argumentParser: Self = .product(name: "ArgumentParser", package: "swift-argument-parser")
    static let crypto: Self = .product(name: "Crypto", package: "swift-crypto")
    // Single modules: the umbrella product would compile all of the package.
    static let deque: Self = .product(name: "DequeModule", package: "swift-collections")
    static let heap: Self = .product(name: "HeapModule", package: "swift-collections")
    static let ordered: Self = .product(name: "OrderedCollections", package: "swift-collections")
    static let grdb: Self = .product(name: "GRDB", package: "GRDB.swift")
    static let log: Self = .product(name: "Logging", package: "swift-log")
    static let protobuf: Self = .product(name: "SwiftProtobuf", package: "swift-protobuf")
    static let sqlite: Self = .product(name: "GRDBSQLite", package: "GRDB.swift")
    static let unixSignals: Self = .product(name: "UnixSignals", package: "swift-service-lifecycle")
}

// Examples are compiled as their users' code would be.
for target in package.targets where target.type != .system && target.path == nil {
    target.swiftSettings = [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    ]
}
