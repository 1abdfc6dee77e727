/// Columns that stand under each other.
struct TextTable {
    enum Alignment { case left, right }

    struct Column {
        var title: String
        var alignment: Alignment
        init(_ title: String, _ alignment: Alignment = .left) {
            self.title = title
            self.alignment = alignment
        }
    }

    var columns: [Column]
    private var rows: [[String]] = []
    /// Applied to a cell after it got its width: row, column, padded text.
    var decorate: (Int, Int, String) -> String = { _, _, text in text }

    init(_ columns: [Column]) { self.columns = columns }

    /// - Parameter cells: One a column.
    mutating func append(_ cells: [String]) {
        precondition(cells.count == columns.count, "one cell for each column")
        rows.append(cells.map(TerminalText.safe))
    }

    /// Title line first; no white space at the end of any line.
    func lines(_ style: TerminalStyle) -> [String] {
        let widths = columns.indices.map { column in
            ([columns[column].title] + rows.map { $0[column] }).map(\.count).max() ?? 0
        }
        let title = line(columns.map(\.title), widths) { _, text in text }
        return [style.heading(title)]
            + rows.enumerated().map { index, row in line(row, widths) { decorate(index, $0, $1) } }
    }

    private func line(_ cells: [String], _ widths: [Int], _ decorate: (Int, String) -> String) -> String {
        var result = ""
        for (column, cell) in cells.enumerated() {
            let padding = String(repeating: " ", count: widths[column] - cell.count)
            if column > 0 { result += "  " }
            switch columns[column].alignment {
            case .left where column == cells.count - 1: result += decorate(column, cell)
            case .left: result += decorate(column, cell) + padding
            case .right: result += padding + decorate(column, cell)
            }
        }
        while result.last == " " { result.removeLast() }
        return result
    }
}

/// Names and values under each other, for one thing.
struct FieldList {
    private var fields: [(name: String, value: String)] = []

    /// Left out when `value` is nil.
    mutating func add(_ name: String, _ value: String?) {
        if let value { fields.append((name, value)) }
    }

    var lines: [String] {
        let width = fields.map(\.name.count).max() ?? 0
        return fields.map { $0.name + String(repeating: " ", count: width - $0.name.count + 2) + $0.value }
    }
}
