// `import TempFlow` also gives tensors, schedules and velocity fields.
@_exported public import FlowMatching
@_exported public import Torch
