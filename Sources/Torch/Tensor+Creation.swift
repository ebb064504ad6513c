internal import CTorch

extension Tensor {
  /// Storage whose contents are arbitrary until written.
  public static func empty(
    _ shape: [Int], dtype: DType = .float32, device: Device = .cpu
  ) -> Tensor {
    Operator.empty(.ints(shape), .dtype(dtype), nil, .device(device), nil, nil)
  }

  /// Bytes in the host's memory, arbitrary until written. A copy of pinned bytes to a GPU needs no
  /// work of the processor. `uint8 [count]`
  ///
  /// - Parameter isPinned: whether the pages are locked, which needs a GPU.
  package static func hostBytes(_ count: Int, isPinned: Bool) -> Tensor {
    Operator.empty(.ints([count]), .dtype(.uint8), nil, .device(.cpu), .bool(isPinned), nil)
  }

  public static func zeros(
    _ shape: [Int], dtype: DType = .float32, device: Device = .cpu
  ) -> Tensor {
    Operator.zeros(.ints(shape), .dtype(dtype), nil, .device(device), nil)
  }

  public static func ones(
    _ shape: [Int], dtype: DType = .float32, device: Device = .cpu
  ) -> Tensor {
    Operator.ones(.ints(shape), .dtype(dtype), nil, .device(device), nil)
  }

  public static func full(
    _ shape: [Int], _ value: Double, dtype: DType = .float32, device: Device = .cpu
  ) -> Tensor {
    Operator.full(.ints(shape), .double(value), .dtype(dtype), nil, .device(device), nil)
  }

  /// `0, 1, …, count - 1`
  public static func arange(
    _ count: Int, dtype: DType = .int64, device: Device = .cpu
  ) -> Tensor {
    Operator.arange(.int(count), .dtype(dtype), nil, .device(device), nil)
  }

  /// Zeros with the shape, type and device of `other`.
  public static func zeros(like other: Tensor) -> Tensor {
    Operator.zerosLike(.tensor(other), nil, nil, nil, nil, nil)
  }

  /// Storage with the shape, type and device of `other`, arbitrary until written.
  public static func empty(like other: Tensor) -> Tensor {
    Operator.emptyLike(.tensor(other), nil, nil, nil, nil, nil)
  }

  /// Draws from the standard normal distribution on the generator's device.
  public static func randn(
    _ shape: [Int], generator: Generator, dtype: DType = .float32
  ) -> Tensor {
    Operator.randn(
      .ints(shape), .generator(generator), .dtype(dtype), nil, .device(generator.device), nil)
  }

  /// `randn` of each seed: `[seeds, shape…]` float32. On the CPU the numbers of a seed are those of
  /// `randn` with a generator of that seed.
  package static func randn(
    _ shape: [Int], seeds: some Collection<UInt64>, device: Device
  ) -> Tensor {
    let result = Tensor.empty([seeds.count] + shape, device: device)
    let generator = Generator(seed: 0, device: device)
    let rows = result.reshaped([seeds.count, -1])
    for (row, seed) in seeds.enumerated() {
      let row = rows.selected(dim: 0, index: row)
      let length = device == .cpu ? row.count : chunkOfNoise
      for (chunk, start) in stride(from: 0, to: row.count, by: length).enumerated() {
        generator.reseed(seed &+ UInt64(chunk) &* 0x9E37_79B9_7F4A_7C15)
        row.narrowed(dim: 0, start: start, length: min(length, row.count - start))
          .normal_(generator: generator)
      }
    }
    return result
  }

  /// How many numbers CUDA draws from one seed. Above about 200,000 the launch grid depends on the
  /// number of multiprocessors of the GPU, and with it the thread that draws each number.
  private static let chunkOfNoise = 65_536

  /// Draws uniformly from 0 ..< 1 on the generator's device.
  public static func rand(
    _ shape: [Int], generator: Generator, dtype: DType = .float32
  ) -> Tensor {
    Operator.rand(
      .ints(shape), .generator(generator), .dtype(dtype), nil, .device(generator.device), nil)
  }

  /// Draws int64 values uniformly from `low ..< high` on the generator's device.
  public static func randint(
    low: Int, high: Int, shape: [Int], generator: Generator
  ) -> Tensor {
    Operator.randint(
      .int(low), .int(high), .ints(shape), .generator(generator), .dtype(.int64), nil,
      .device(generator.device), nil)
  }
}

extension Tensor {
  /// The elements as `dtype`; the tensor itself when it has that type already.
  public func to(_ dtype: DType) -> Tensor {
    Operator.toDType(.tensor(self), .dtype(dtype), false, false, nil)
  }

  /// The tensor on `device`; itself when it is there already.
  ///
  /// A copy to a GPU does not wait for the work that is queued there; this tensor's memory has been
  /// read when the call returns.
  public func to(_ device: Device) -> Tensor {
    // CUDA copies pageable memory into a staging buffer before it returns. A copy to the host has
    // to block: its elements could be read before they arrive.
    let leavesHost = self.device == .cpu
    return Operator.toDevice(
      .tensor(self), .device(device), .dtype(dtype), .bool(leavesHost), false, nil)
  }

  /// Row-major storage; the tensor itself when it is row-major already.
  public func contiguous() -> Tensor { Operator.contiguous(.tensor(self), 0) }

  /// Storage with the channels of a pixel side by side (PyTorch's `channels_last` and
  /// `channels_last_3d`), for convolutions; the tensor itself when it is stored so already.
  /// `[B, C, H, W]` or `[B, C, T, H, W]`
  public func channelsLast() -> Tensor {
    Operator.contiguous(.tensor(self), rank == 5 ? 3 : 2)
  }

  /// A copy with storage of its own.
  public func clone() -> Tensor { Operator.clone(.tensor(self), nil) }

  /// The same storage, outside the backward graph.
  public func detached() -> Tensor { Operator.detach(.tensor(self)) }
}
