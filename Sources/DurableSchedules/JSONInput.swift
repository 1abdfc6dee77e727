import DurableTask
import FoundationEssentials

/// Any JSON value, kept as part of another one. Numbers keep their digits as far as `Decimal` and `Double` do.
enum JSONInput: Codable, Hashable, Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case decimal(Decimal)
    case double(Double)
    case string(String)
    case array([JSONInput])
    case object([String: JSONInput])

    /// - Returns: nil for no value.
    init?(encoding value: some Encodable, of orchestration: String) throws {
        let what = "the input of orchestration \"\(orchestration)\""
        guard let payload = try PayloadCoding.encode(value, as: what) else { return nil }
        self = try PayloadCoding.decode(JSONInput.self, from: payload, as: what)
    }

    init(from decoder: any Decoder) throws {
        if let container = try? decoder.container(keyedBy: Key.self) {
            var object: [String: JSONInput] = [:]
            for key in container.allKeys { object[key.stringValue] = try container.decode(JSONInput.self, forKey: key) }
            self = .object(object)
            return
        }
        if var container = try? decoder.unkeyedContainer() {
            var array: [JSONInput] = []
            while !container.isAtEnd { array.append(try container.decode(JSONInput.self)) }
            self = .array(array)
            return
        }
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .integer(value)
        } else {
            let double = try container.decode(Double.self)
            // What Decimal's exponent holds with its 38 digits.
            if (1e-80..<1e100).contains(abs(double)), let value = try? container.decode(Decimal.self) {
                self = .decimal(value)
            } else {
                self = .double(double)
            }
        }
    }

    func encode(to encoder: any Encoder) throws {
        if case .object(let object) = self {
            var container = encoder.container(keyedBy: Key.self)
            for (key, value) in object { try container.encode(value, forKey: Key(stringValue: key)) }
            return
        }
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .integer(let value): try container.encode(value)
        case .decimal(let value): try container.encode(value)
        case .double(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .array(let value): try container.encode(value)
        case .object: break
        }
    }

    /// Any key.
    private struct Key: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
}
