import Durable
import Foundation

struct Order: Codable, Sendable {
    var id: String
    var amount: Int
    var city: String
    /// Where bookings are noted: an existing or new file on the workers' host.
    var books: String
}

/// More than anybody's card has.
let limit = 1000

struct CardDeclined: NonRetryableError {}
struct NoSuchCity: NonRetryableError {}
/// Goes away when one asks again.
struct CourierBusy: Error {}

let reserveStock = Activity("ReserveStock") { (order: Order, _: ActivityContext) in
    try await note("reserved", order)
}

let releaseStock = Activity("ReleaseStock") { (order: Order, _: ActivityContext) in
    try await note("released", order)
}

let chargeCard = Activity("ChargeCard") { (order: Order, _: ActivityContext) in
    if order.amount > limit { throw CardDeclined() }
    try await note("charged", order)
}

let refundCard = Activity("RefundCard") { (order: Order, _: ActivityContext) in
    try await note("refunded", order)
}

let bookCourier = Activity("BookCourier") { (order: Order, _: ActivityContext) in
    if order.city == "Atlantis" { throw NoSuchCity() }
    if try !isNoted("asked", order) {
        try await note("asked", order)
        throw CourierBusy()
    }
    try await note("shipped", order)
}

/// Books one thing after the other. When one cannot be had, what was booked before is given back, in reverse order, and
/// whatever crashes meanwhile.
let orderSaga = Orchestration("OrderSaga") { (order: Order, context: OrchestrationContext) -> String in
    let patient = RetryPolicy(
        maximumAttempts: 5, firstInterval: .milliseconds(100), backoffCoefficient: 2, jitter: 0.2)
    // There is nobody to tell that something cannot be given back: try for a day.
    let stubborn = RetryPolicy(
        maximumAttempts: .max, firstInterval: .seconds(1), backoffCoefficient: 2, maximumInterval: .seconds(600),
        retryTimeout: .seconds(86_400))
    do {
        try await context.withCompensation { saga in
            try await context.callActivity(reserveStock, order, retry: patient)
            saga.addCompensation { try await context.callActivity(releaseStock, order, retry: stubborn) }
            try await context.callActivity(chargeCard, order, retry: patient)
            saga.addCompensation { try await context.callActivity(refundCard, order, retry: stubborn) }
            try await context.callActivity(bookCourier, order, retry: patient)
        }
        return "shipped"
    } catch let failure as ActivityFailure {
        return "called off: \(failure.details.errorType)"
    }
}

/// As a service far away: slow, and with a memory.
private func note(_ what: String, _ order: Order) async throws {
    try await Task.sleep(for: .milliseconds(20))
    let descriptor = open(order.books, O_WRONLY | O_APPEND | O_CREAT, 0o644)
    guard descriptor >= 0 else { throw BooksError(path: order.books, reason: String(cString: strerror(errno))) }
    defer { close(descriptor) }
    let line = Array("\(order.id) \(what)\n".utf8)
    guard write(descriptor, line, line.count) == line.count else {
        throw BooksError(path: order.books, reason: String(cString: strerror(errno)))
    }
}

private func isNoted(_ what: String, _ order: Order) throws -> Bool {
    guard FileManager.default.fileExists(atPath: order.books) else { return false }
    return try String(contentsOfFile: order.books, encoding: .utf8).split(separator: "\n")
        .contains("\(order.id) \(what)")
}

struct BooksError: Error, CustomStringConvertible {
    var path: String
    var reason: String
    var description: String { "cannot write to \(path): \(reason)" }
}

@main struct OrderSagaProgram {
    static func main() async {
        await Worker.main(reserveStock, releaseStock, chargeCard, refundCard, bookCourier, orderSaga)
    }
}
