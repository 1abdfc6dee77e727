import DurableBackend
import Testing

enum StoreErrorKind {
    case isMissing, isForeign, isDamaged, isFull, isUnavailable

    fileprivate func text(of error: StoreError) -> String? {
        switch (self, error) {
        case (.isMissing, .missing(let text)), (.isForeign, .foreign(let text)), (.isDamaged, .damaged(let text)),
            (.isFull, .full(let text)), (.isUnavailable, .unavailable(let text)):
            text
        default: nil
        }
    }
}

/// Expects a `StoreError` of one kind, with `words` in its text.
func expectStoreError(
    containing words: String, _ kind: StoreErrorKind, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
) {
    do {
        try body()
        Issue.record("nothing was thrown", sourceLocation: sourceLocation)
    } catch let error as StoreError {
        guard let text = kind.text(of: error) else {
            Issue.record("threw \(error)", sourceLocation: sourceLocation)
            return
        }
        #expect(text.contains(words), sourceLocation: sourceLocation)
    } catch {
        Issue.record("threw \(error)", sourceLocation: sourceLocation)
    }
}
