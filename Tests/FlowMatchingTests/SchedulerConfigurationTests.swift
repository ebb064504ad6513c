import FlowMatching
import Foundation
import Foundations
import TestSupport
import Testing

/// One schedule of diffusers, in float32.
private struct Reference: Decodable {
  var name: String
  var config: SchedulerConfiguration
  var stepCount: Int
  var imageTokens: Int?
  var sigmas: [Double]
}

/// The error of a configuration with this text, and its path.
private func failure(
  reading text: String
) throws -> (error: SchedulerConfigurationError, path: String) {
  try withTemporaryFolder { folder in
    let path = folder + "/scheduler_config.json"
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    let error = try #require(throws: SchedulerConfigurationError.self) {
      try SchedulerConfiguration(path: path)
    }
    return (error, path)
  }
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
        // diffusers rounds to float32 several times.
        #expect(abs(found - expected) < 5e-7, "\(reference.name): \(found), expected \(expected)")
      }
    }
  }

  @Test func `a written configuration is read back`() throws {
    var configuration = SchedulerConfiguration()
    configuration.shift = 3
    configuration.terminalSigma = 0.02
    configuration.timeShift = .linear
    let data = try JSONEncoder().encode(configuration)
    #expect(try JSONDecoder().decode(SchedulerConfiguration.self, from: data) == configuration)
    #expect(String(decoding: data, as: UTF8.self).contains("FlowMatchEulerDiscreteScheduler"))
  }

  @Test func `an unsupported grid is refused by name`() throws {
    let (error, path) = try failure(reading: #"{"shift": 3.0, "use_karras_sigmas": true}"#)
    #expect(error == .unsupported(path: path, key: "use_karras_sigmas", value: "true"))
    #expect(error.description.contains(path) && error.description.contains("use_karras_sigmas"))
  }

  @Test func `another scheduler's file is refused`() throws {
    let (error, path) = try failure(reading: #"{"_class_name": "DDIMScheduler"}"#)
    #expect(error == .unsupported(path: path, key: "_class_name", value: "DDIMScheduler"))
  }

  @Test(arguments: [
    (#"{"shift": 0}"#, "shift"), (#"{"shift": 1e300}"#, "shift"),
    (#"{"shift_terminal": 1.5}"#, "shift_terminal"),
    (#"{"num_train_timesteps": 0}"#, "num_train_timesteps"),
    (#"{"num_train_timesteps": 1}"#, "num_train_timesteps"),
    (#"{"base_image_seq_len": 4096}"#, "max_image_seq_len"),
  ])
  func `a number out of range is refused with its key`(text: String, key: String) throws {
    let (error, path) = try failure(reading: text)
    guard case .outOfRange(path, key, _) = error else {
      Issue.record("\(error)")
      return
    }
  }

  @Test func `mutated files give a configuration or a typed error, never a crash`() throws {
    var random = SplitMix64(seed: 16)
    let whole = Array(
      """
      {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0, "shift_terminal": 0,
       "base_image_seq_len": 256, "max_image_seq_len": 4096, "num_train_timesteps": 1000,
       "time_shift_type": "exponential", "use_dynamic_shifting": false, "base_shift": null}
      """.utf8)
    var accepted = 0
    try withTemporaryFolder { folder in
      let path = "\(folder)/scheduler_config.json"
      for _ in 0..<500 {
        var bytes = whole
        for _ in 0...Int.random(in: 0..<2, using: &random) {
          let position = Int.random(in: 0..<bytes.count, using: &random)
          let texts = [
            "9223372036854775807", "-9223372036854775807", "1e999", "null", "[", "\"", "-0.0", "7",
          ]
          let text = try #require(texts.randomElement(using: &random))
          bytes.replaceSubrange(position..<min(position + 4, bytes.count), with: text.utf8)
        }
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        do throws(SchedulerConfigurationError) {
          let configuration = try SchedulerConfiguration(path: path)
          _ = configuration.mu(imageTokens: 1024)
          if !configuration.usesDynamicShifting {
            _ = FlowSchedule(configuration, stepCount: 28)
          }
          accepted += 1
        } catch {
          #expect(error.description.contains(path))
        }
      }
    }
    #expect(accepted > 0)
    // Their difference overflows an integer.
    let extreme =
      #"{"base_image_seq_len": -9223372036854775807, "max_image_seq_len": 9223372036854775807}"#
    let configuration = try JSONDecoder().decode(
      SchedulerConfiguration.self, from: Data(extreme.utf8))
    #expect(abs(configuration.mu(imageTokens: 0) - 0.825) < 1e-9)
  }

  @Test func `broken JSON and missing files give different errors`() throws {
    let broken = try failure(reading: #"{"shift": "three"}"#)
    guard case .malformed = broken.error else {
      Issue.record("\(broken.error)")
      return
    }
    let error = try #require(throws: SchedulerConfigurationError.self) {
      try SchedulerConfiguration(path: "/nowhere.json")
    }
    guard case .unreadable("/nowhere.json", _) = error else {
      Issue.record("\(error)")
      return
    }
  }
}
