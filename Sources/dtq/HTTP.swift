import DurableCLI
import Foundation

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// The one HTTP request `dtq` makes: a GET of the broker's management API.
enum HTTP {
    /// - Returns: nil unless the answer is a 200 within 5 seconds.
    @Sendable static func get(_ request: ManagementRequest) async -> [UInt8]? {
        guard let url = URL(string: request.address) else { return nil }
        var get = URLRequest(url: url, timeoutInterval: 5)
        let credentials = Data("\(request.user):\(request.password)".utf8).base64EncodedString()
        get.setValue("Basic \(credentials)", forHTTPHeaderField: "Authorization")
        guard let (body, response) = try? await URLSession.shared.data(for: get),
            (response as? HTTPURLResponse)?.statusCode == 200
        else { return nil }
        return Array(body)
    }
}
