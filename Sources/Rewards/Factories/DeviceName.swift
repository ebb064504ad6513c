package import Recipes
package import Torch

/// The names of a device: `cpu`, `cuda` or `cuda:1`.
package enum DeviceName {
  /// Reads the key `device`.
  package static func read(_ section: RecipeSection, default defaultDevice: Device) -> Device {
    readIndexed(section, default: defaultDevice).device
  }

  /// Reads the key `device`, and whether it is given with an index. `cuda` alone is the first GPU,
  /// or that of the process among several.
  package static func readIndexed(
    _ section: RecipeSection, default defaultDevice: Device
  ) -> (device: Device, isIndexed: Bool) {
    let text = section.string("device", default: defaultDevice.description)
    if let device = Device(name: text) {
      return (device, section.isGiven("device") && text.contains(":"))
    }
    section.report("device", "must be cpu, cuda or cuda:N, found \"\(text)\"")
    return (defaultDevice, false)
  }
}
