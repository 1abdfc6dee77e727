// One import for app authors.
@_exported public import DurableClient
@_exported public import DurableCore
@_exported public import DurablePayloads
@_exported public import DurableSchedules
@_exported public import DurableTask
@_exported public import Logging
