@_exported public import DiffusionModels
