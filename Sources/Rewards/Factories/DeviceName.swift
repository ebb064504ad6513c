package import Recipes
package import Torch

/// The names of a device: `cpu`, `cuda` or `cuda:1`.
package enum DeviceName {
  /// Reads the key `device`.
  package static func read(_ section: RecipeSection, default defaultDevice: Device) -> Device {
    let text = section.string("device", default: defaultDevice.description)
    if let device = Device(name: text) { return device }
    section.report("device", "must be cpu, cuda or cuda:N, found \"\(text)\"")
    return defaultDevice
  }
}
