// A library user imports TempFlow alone: tensors, schedules and velocity fields come with it.
@_exported public import FlowMatching
@_exported public import Torch
