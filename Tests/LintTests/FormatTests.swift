import Foundation
import Testing

@Suite("Format") struct FormatTests {
    @Test("Swift files are formatted as .swift-format says")
    func filesAreFormatted() throws {
        let run = try run("ops/lib/format-check")
        #expect(run.status == 0, "\(run.text)\nRun: swift format -i FILE ...; long lines are broken by hand.")
    }
}
