import Foundation

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Swift draws a hash seed per process, and with it the order of dictionaries. A seed of the simulation repeats in each
/// process because this one executes itself again with the hash seed fixed.
enum HashSeed {
    private static let variable = "SWIFT_DETERMINISTIC_HASHING"

    static var isFixed: Bool { ProcessInfo.processInfo.environment[variable] == "1" }

    /// The program's own file.
    static var executable: String {
        #if os(Linux)
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        #else
            Bundle.main.executablePath ?? CommandLine.arguments[0]
        #endif
    }

    /// Replaces the process by itself with the hash seed fixed. Returns only if it is, or if that cannot be done.
    static func fix() {
        if isFixed { return }
        setenv(variable, "1", 1)
        var arguments: [UnsafeMutablePointer<CChar>?] = CommandLine.arguments.map { strdup($0) }
        arguments.append(nil)
        execv(executable, arguments)
    }
}
