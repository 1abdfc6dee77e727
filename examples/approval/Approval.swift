import Durable

struct Expense: Codable, Sendable {
    var employee: String
    var amount: Int
    /// How long the approver has.
    var secondsToDecide: Int
    /// How long the approver is left alone between two reminders; none: all the time.
    var secondsToRemind: Int?
}

struct Decision: Codable, Sendable {
    var isApproved: Bool
    var by: String
}

struct Notice: Codable, Sendable {
    var to: String
    var text: String
}

let notify = Activity("Notify") { (notice: Notice, context: ActivityContext) in
    context.logger.info("to \(notice.to): \(notice.text)")
}

/// Asks a person, reminds them now and then, and goes on when the answer comes, or when time is up: whichever is first.
/// Answer with `dtq raise ID decision --input '{"isApproved":true,"by":"ana"}'`.
let approval = Orchestration("Approval") { (expense: Expense, context: OrchestrationContext) -> String in
    try await context.callActivity(
        notify, Notice(to: "approver", text: "\(expense.employee) asks for \(expense.amount)"))
    context.setCustomStatus("waiting for a decision")
    var left = expense.secondsToDecide
    while true {
        let pause = min(left, expense.secondsToRemind ?? left)
        do {
            let decision = try await context.waitForExternalEvent(
                "decision", as: Decision.self, timeout: .seconds(pause))
            let outcome = decision.isApproved ? "approved" : "rejected"
            try await context.callActivity(notify, Notice(to: expense.employee, text: "\(outcome) by \(decision.by)"))
            return outcome
        } catch is ExternalEventTimeout {
            left -= pause
            if left <= 0 { break }
            try await context.callActivity(
                notify, Notice(to: "approver", text: "\(expense.employee) waits, for \(left) more seconds"))
        }
    }
    try await context.callActivity(notify, Notice(to: "manager", text: "nobody decided about \(expense.employee)"))
    return "escalated"
}

struct Promise: Codable, Sendable {
    var to: InstanceID
    var afterSeconds: Int
    var decision: Decision
}

/// Stands for a person, where there is none.
let answer = Orchestration("Answer") { (promise: Promise, context: OrchestrationContext) in
    try await context.sleep(for: .seconds(promise.afterSeconds))
    context.raiseEvent(to: promise.to, "decision", promise.decision)
}

@main struct ApprovalProgram {
    static func main() async {
        await Worker.main(notify, approval, answer)
    }
}
