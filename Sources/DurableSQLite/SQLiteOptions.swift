/// How the files are opened. The defaults suit a worker that owns a few partitions.
package struct SQLiteOptions: Sendable {
    /// Most memory for cached pages of one open file.
    package var cacheKibibytes: Int
    /// Pages in the write-ahead log after which a commit also moves them into the main file.
    package var checkpointAfterPages: Int
    /// How long to wait for another process that writes to the same file.
    package var busyTimeoutSeconds: Double
    /// Whether every commit is on disk before it returns. Without, a power cut may take the last ones back.
    package var isDurable: Bool
    /// Where the files are.
    package var files: any FileSystem

    package init(
        cacheKibibytes: Int = 16 * 1024, checkpointAfterPages: Int = 4000, busyTimeoutSeconds: Double = 5,
        isDurable: Bool = true, files: any FileSystem = SystemFileSystem()
    ) {
        self.cacheKibibytes = cacheKibibytes
        self.checkpointAfterPages = checkpointAfterPages
        self.busyTimeoutSeconds = busyTimeoutSeconds
        self.isDurable = isDurable
        self.files = files
    }
}
