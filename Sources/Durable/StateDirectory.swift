import Foundation

/// Where a worker keeps what it may lose: https://specifications.freedesktop.org/basedir-spec, XDG_STATE_HOME.
enum StateDirectory {
    /// Absolute path: the user's state directory, or the system's temporary one for a user without a home.
    static var path: String {
        let variables = ProcessInfo.processInfo.environment
        if let state = variables["XDG_STATE_HOME"], state.hasPrefix("/") { return "\(state)/dtq" }
        if let home = variables["HOME"], home.hasPrefix("/"), home != "/" { return "\(home)/.local/state/dtq" }
        return FileManager.default.temporaryDirectory.appendingPathComponent("dtq").path
    }
}
