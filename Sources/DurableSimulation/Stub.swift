package final class SimulatedDisk {
    package init(seed: UInt64) throws {}
    package var directory: String { "/nowhere" }
    package var currentProcess = 0
    package var ignoresSync = false
    package func kill(_ process: Int) {}
    package func losePower() {}
    package func removeAll() {}
}
