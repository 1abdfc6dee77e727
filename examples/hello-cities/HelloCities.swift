import Durable

// An activity does work with side effects; it runs at least once for each request.
let sayHello = Activity("SayHello") { (city: String, _: ActivityContext) in
    "Hello, \(city)!"
}

// An orchestration coordinates work; it survives crashes because it is rebuilt from its history.
let helloCities = Orchestration("HelloCities") { (cities: [String], context: OrchestrationContext) in
    var greetings: [String] = []
    for city in cities {
        greetings.append(try await context.callActivity(sayHello, city))
    }
    return greetings
}

// A worker is your own executable: run as many copies as you like.
@main struct HelloCities {
    static func main() async {
        await Worker.main(sayHello, helloCities)
    }
}
