import Foundation
import TestSupport
import Testing

/// Two processes, each as on a host of its own, whose child of rank 0 scores no image of the
/// rollout before the child of rank 1 has scored more than its own.
@Suite(.serialized) struct SharedScoringTests {
  /// Images of rank 1: one of the first evaluation, and half of an epoch's 32.
  private static let share = 1 + 16

  /// A reward of the process protocol: the size of the PNG file.
  private static let child = """
    import json, os, sys, time
    rank = os.environ["CHILD_RANK"]
    def seen(rank):
      return os.path.getsize("seen-" + rank) if os.path.exists("seen-" + rank) else 0
    for line in sys.stdin:
      request = json.loads(line)
      with open("seen-" + rank, "a") as file: file.write("." * len(request["samples"]))
      if rank == "0" and os.environ["CHILD_COUNT"] == "2" and seen("0") > 1:
        end = time.monotonic() + 20
        while seen("1") <= \(share) and time.monotonic() < end: time.sleep(0.01)
        if os.environ["CHILD_ENDS"]:
          print(json.dumps({"protocol": 99, "id": request["id"], "error": "no"}), flush=True)
          continue
      scores = [os.path.getsize(sample["path"]) / 1000 for sample in request["samples"]]
      print(json.dumps({"protocol": 1, "id": request["id"], "scores": scores}), flush=True)
    """

  private func task() throws -> TemporaryFolder {
    let folder = try tinyTask()
    try folder.write(Self.child, to: "child.py")
    let reward = "[{name: process, command: [python3, child.py], batch_size: 2}]"
    try folder.write(
      recipeText([
        ("[{name: shapes}]", reward), ("steps: 3", "steps: 3, micro_batch: 2"),
        ("epochs: 4", "epochs: 1\nthreads: 1\nevaluation: {prompts: 2}"),
      ]), to: "tiny.yaml")
    return folder
  }

  /// Trains with `count` processes.
  private func train(
    _ folder: TemporaryFolder, processes count: Int, failing: Bool = false
  ) throws -> [TempFlowProcess.Outcome] {
    // The port is free once the socket is gone.
    let port = try LocalSocket(backlog: nil).port
    var processes: [TempFlowProcess] = []
    defer { for process in processes where process.isRunning { process.kill() } }
    for rank in 0..<count {
      processes.append(
        try TempFlowProcess(
          ["train", "tiny.yaml", "--run-dir", "run-\(count)", "--timeout", "60"],
          in: folder.path,
          environment: [
            "RANK": "\(rank)", "WORLD_SIZE": "\(count)", "LOCAL_RANK": "0",
            "LOCAL_WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "\(port)",
            // A reward program does not see the variables of the run.
            "CHILD_ENDS": failing ? "yes" : "", "CHILD_RANK": "\(rank)",
            "CHILD_COUNT": "\(count)",
          ]))
    }
    return try processes.map { try $0.wait() }
  }

  private func bytes(_ folder: TemporaryFolder, _ file: String) throws -> Data {
    try Data(contentsOf: URL(filePath: "\(folder.path)/\(file)"))
  }

  @Test func `pieces of a process whose reward stands still are scored by the other one`() throws {
    let folder = try task()
    for outcome in try train(folder, processes: 2) {
      #expect(outcome.status == 0, "\(outcome.errors)")
    }
    // And one of the last evaluation.
    #expect(try bytes(folder, "seen-1").count > Self.share + 1)
    for outcome in try train(folder, processes: 1) {
      #expect(outcome.status == 0, "\(outcome.errors)")
    }
    for file in ["metrics.jsonl", "model/transformer/diffusion_pytorch_model.safetensors"] {
      #expect(try bytes(folder, "run-2/\(file)") == bytes(folder, "run-1/\(file)"), "\(file)")
    }
  }

  @Test func `a reward that fails while pieces move stops both processes with one message`() throws
  {
    let folder = try task()
    let outcomes = try train(folder, processes: 2, failing: true)
    #expect(try bytes(folder, "seen-1").count > Self.share)
    for outcome in outcomes { #expect(outcome.status != 0 && !outcome.wasKilled) }
    let text = "the reward process failed"
    #expect(outcomes[0].errors.contains(text), "\(outcomes[0].errors)")
    let log = String(decoding: try bytes(folder, "run-2/ranks/log-1.txt"), as: UTF8.self)
    #expect(log.contains("rank 0 (") && log.contains(text), "\(log)")
  }
}
