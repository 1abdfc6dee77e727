internal import Foundation

extension Process {
    /// Starts it with no signal blocked. Threads of the cooperative pool block signals and children inherit that: a
    /// server started from one would take no notice of SIGTERM.
    func runWithSignals() throws {
        var none = sigset_t()
        var before = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        try run()
    }
}
