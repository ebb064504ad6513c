import FlowMatching
import Foundation
import TestSupport
import Testing

/// One schedule as diffusers computes it, in float32.
private struct Reference: Decodable {
  var name: String
  var config: SchedulerConfiguration
  var stepCount: Int
  var imageTokens: Int?
  var sigmas: [Double]
}

private func temporaryFile(_ text: String) throws -> String {
  let path = NSTemporaryDirectory() + "scheduler-\(UUID().uuidString).json"
  try Data(text.utf8).write(to: URL(fileURLWithPath: path))
  return path
}

@Suite struct SchedulerConfigurationTests {
  @Test func `sigmas equal those of diffusers`() throws {
    let data = try Data(
      contentsOf: URL(fileURLWithPath: fixture("schedules/flow_match_euler.json")))
    let references = try JSONDecoder().decode([Reference].self, from: data)
    #expect(references.count >= 8)
    for reference in references {
      let schedule = FlowSchedule(
        reference.config, stepCount: reference.stepCount, imageTokens: reference.imageTokens)
      #expect(schedule.sigmas.count == reference.sigmas.count, "\(reference.name)")
      for (found, expected) in zip(schedule.sigmas, reference.sigmas) {
        // diffusers rounds to float32 several times on the way.
        #expect(abs(found - expected) < 5e-7, "\(reference.name): \(found) for \(expected)")
      }
    }
  }

  @Test func `a configuration survives being written and read`() throws {
    var configuration = SchedulerConfiguration()
    configuration.shift = 3
    configuration.terminalSigma = 0.02
    configuration.timeShift = .linear
    let data = try JSONEncoder().encode(configuration)
    #expect(try JSONDecoder().decode(SchedulerConfiguration.self, from: data) == configuration)
    #expect(String(decoding: data, as: UTF8.self).contains("FlowMatchEulerDiscreteScheduler"))
  }

  @Test func `a grid that is not built here is refused by name`() throws {
    let path = try temporaryFile(#"{"shift": 3.0, "use_karras_sigmas": true}"#)
    let error = try #require(throws: SchedulerConfigurationError.self) {
      try SchedulerConfiguration(path: path)
    }
    #expect(error == .unsupported(path: path, key: "use_karras_sigmas", value: "true"))
    #expect(error.description.contains(path) && error.description.contains("use_karras_sigmas"))
  }

  @Test func `another scheduler's file is refused`() throws {
    let path = try temporaryFile(#"{"_class_name": "DDIMScheduler"}"#)
    #expect(
      throws: SchedulerConfigurationError.unsupported(
        path: path, key: "_class_name", value: "DDIMScheduler")
    ) {
      try SchedulerConfiguration(path: path)
    }
  }

  @Test(arguments: [
    (#"{"shift": 0}"#, "shift"), (#"{"shift_terminal": 1.5}"#, "shift_terminal"),
    (#"{"num_train_timesteps": 0}"#, "num_train_timesteps"),
    (#"{"base_image_seq_len": 4096}"#, "max_image_seq_len"),
  ])
  func `a number out of range is refused with its key`(text: String, key: String) throws {
    let path = try temporaryFile(text)
    let error = try #require(throws: SchedulerConfigurationError.self) {
      try SchedulerConfiguration(path: path)
    }
    guard case .outOfRange(path, key, _) = error else {
      Issue.record("\(error)")
      return
    }
  }

  @Test func `broken JSON and missing files are told apart`() throws {
    let broken = try temporaryFile(#"{"shift": "three"}"#)
    guard
      case .malformed(broken, _) = try #require(
        throws: SchedulerConfigurationError.self, performing: {
          try SchedulerConfiguration(path: broken)
        })
    else { return Issue.record("not malformed") }
    guard
      case .unreadable("/nowhere.json", _) = try #require(
        throws: SchedulerConfigurationError.self, performing: {
          try SchedulerConfiguration(path: "/nowhere.json")
        })
    else { return Issue.record("not unreadable") }
  }
}
