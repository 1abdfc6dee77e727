// A test needs the types of what it tests.
@_exported public import DurableCore
@_exported public import DurableTask
