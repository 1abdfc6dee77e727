/// First in, first out, in constant time at both ends.
struct FIFO<Element> {
    private var items: ContiguousArray<Element?> = []
    private var head = 0

    var count: Int { items.count - head }
    var isEmpty: Bool { head == items.count }
    var first: Element? { isEmpty ? nil : items[head] }

    mutating func append(_ element: Element) { items.append(element) }

    mutating func popFirst() -> Element? {
        guard head < items.count else { return nil }
        let element = items[head]
        items[head] = nil
        head += 1
        if head == items.count {
            removeAll()
        } else if head > 64, head > items.count / 2 {
            items.removeFirst(head)
            head = 0
        }
        return element
    }

    /// Takes the first element that `matches`; linear.
    mutating func removeFirst(where matches: (Element) -> Bool) -> Element? {
        for index in items.indices[head...] {
            guard let element = items[index], matches(element) else { continue }
            items.remove(at: index)
            if isEmpty { removeAll() }
            return element
        }
        return nil
    }

    mutating func takeAll() -> [Element] {
        defer { removeAll() }
        return items[head...].compactMap { $0 }
    }

    mutating func removeAll() {
        items.removeAll(keepingCapacity: true)
        head = 0
    }
}
