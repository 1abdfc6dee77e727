#if canImport(Glibc)
    public import Glibc
#elseif canImport(Darwin)
    public import Darwin
#endif

/// A value behind a pthread mutex. Used instead of `Synchronization.Mutex`, which the thread sanitizer does not
/// understand on Linux (false reports).
///
/// Other modules specialize it, which takes both `@usableFromInline` here and `@inlinable` below: in its generic form
/// each lock would go through look-ups of metadata.
@usableFromInline
package final class PlatformLock<Value>: @unchecked Sendable {  // `value` is only touched while the mutex is held
    @usableFromInline let mutex: UnsafeMutablePointer<pthread_mutex_t>
    @usableFromInline var value: Value

    @inlinable package init(_ value: sending Value) {
        self.value = value
        mutex = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        pthread_mutex_init(mutex, nil)
    }

    @inlinable deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// Runs `body` alone. It must not suspend or call back into the same lock.
    @inlinable package func withLock<Result, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&value)
    }
}
