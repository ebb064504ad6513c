import Testing
import Torch

private var matrix: Tensor { Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [2, 3]) }

@Suite struct TensorTests {
  @Test func `a tensor has a shape, a type and a device`() {
    #expect(matrix.shape == [2, 3])
    #expect(matrix.rank == 2)
    #expect(matrix.count == 6)
    #expect(matrix.dtype == .float32)
    #expect(matrix.device == .cpu)
    #expect(Tensor([7] as [Int], shape: []).shape == [])
    #expect(Tensor.zeros([4, 0]).count == 0)
  }

  @Test(arguments: DType.allCases) func `every type has zeros and a size`(dtype: DType) {
    let tensor = Tensor.zeros([3], dtype: dtype)
    #expect(tensor.dtype == dtype)
    #expect(tensor.doubles() == [0, 0, 0])
    tensor.withBytes { #expect($0.count == 3 * dtype.byteCount) }
  }

  @Test func `reading converts and keeps row-major order`() {
    #expect(matrix.transposed(0, 1).floats() == [1, 4, 2, 5, 3, 6])
    #expect(matrix.ints() == [1, 2, 3, 4, 5, 6])
    #expect(matrix.isGreater(than: 3).bools() == [false, false, false, true, true, true])
    #expect(Tensor([1.5] as [Double], shape: [1]).item() == 1.5)
  }

  @Test func `memory is shared until its owner is released`() {
    final class Owner {
      let memory = UnsafeMutablePointer<Float>.allocate(capacity: 2)
      let released: () -> Void
      init(released: @escaping () -> Void) {
        self.released = released
        memory.initialize(repeating: 3, count: 2)
      }
      deinit {
        memory.deallocate()
        released()
      }
    }
    var count = 0
    var view: Tensor?
    do {
      let owner = Owner { count += 1 }
      let tensor = Tensor(mapping: owner.memory, shape: [2], dtype: .float32, owner: owner)
      view = tensor.narrowed(dim: 0, start: 1, length: 1)
    }
    #expect(count == 0)
    #expect(view?.floats() == [3])
    view = nil
    #expect(count == 1)
  }

  @Test func `the meta device has shapes but no storage`() {
    let product = Tensor.empty([4096, 8192], device: .meta).linear(
      weight: Tensor.empty([16384, 8192], device: .meta), bias: nil)
    #expect(product.shape == [4096, 16384])
    #expect(product.device == .meta)
  }
}

@Suite struct ArithmeticTests {
  @Test func `operators act element by element`() {
    #expect((matrix + matrix).floats() == [2, 4, 6, 8, 10, 12])
    #expect((matrix - 1).floats() == [0, 1, 2, 3, 4, 5])
    #expect((1 - matrix).floats() == [0, -1, -2, -3, -4, -5])
    #expect((matrix * 0.5).floats() == [0.5, 1, 1.5, 2, 2.5, 3])
    #expect((6 / matrix).floats() == [6, 3, 2, 1.5, 1.2, 1])
    #expect((-matrix).sum().item() == -21)
    #expect(matrix.squared().floats() == [1, 4, 9, 16, 25, 36])
    #expect(matrix.squared().sqrt().floats() == matrix.floats())
    #expect(matrix.clamped(2, 5).floats() == [2, 2, 3, 4, 5, 5])
    #expect(matrix.clamped(nil, 2).floats() == [1, 2, 2, 2, 2, 2])
    #expect(matrix.adding(matrix, scale: -1).floats() == [0, 0, 0, 0, 0, 0])
    #expect(matrix.addingProduct(matrix, matrix, scale: 2).floats() == [3, 10, 21, 36, 55, 78])
    #expect(matrix.lerp(matrix * 3, weight: 0.5).floats() == [2, 4, 6, 8, 10, 12])
  }

  @Test func `integer tensors keep their type with whole numbers`() {
    let ids = Tensor([1, 2] as [Int], shape: [2])
    #expect((ids + 1).dtype == .int64)
    #expect((ids * 3).ints() == [3, 6])
    #expect((ids + 0.5).dtype == .float32)
  }

  @Test func `comparison and selection agree`() {
    let larger = Tensor.where(matrix.isLess(than: 3), matrix * 10, matrix)
    #expect(larger.floats() == [10, 20, 3, 4, 5, 6])
    #expect(matrix.isEqual(to: matrix).all().item() == 1)
    #expect(matrix.isEqual(to: 9).any().item() == 0)
    #expect((matrix / 0).isFinite().any().item() == 0)
  }

  @Test func `shapes are rearranged`() {
    #expect(matrix.reshaped([3, -1]).shape == [3, 2])
    #expect(matrix.permuted([1, 0]).shape == [3, 2])
    #expect(matrix.unsqueezed(0).expanded([4, -1, -1]).shape == [4, 2, 3])
    #expect(matrix.narrowed(dim: 1, start: 1, length: 2).floats() == [2, 3, 5, 6])
    #expect(matrix.selected(dim: 0, index: 1).floats() == [4, 5, 6])
    #expect(
      matrix.indexSelect(dim: 1, Tensor([2, 0] as [Int], shape: [2])).floats() == [3, 1, 6, 4])
    #expect(matrix.chunked(3, dim: 1).map { $0.floats() } == [[1, 4], [2, 5], [3, 6]])
    #expect(matrix.split(sizes: [1, 2], dim: 1).map(\.shape) == [[2, 1], [2, 2]])
    #expect(matrix.unbound(dim: 0).map { $0.floats() } == [[1, 2, 3], [4, 5, 6]])
    #expect(matrix.repeatInterleaved(2, dim: 0).shape == [4, 3])
    #expect(matrix.repeated([2, 1]).shape == [4, 3])
    #expect(matrix.rolled([1], dims: [1]).floats() == [3, 1, 2, 6, 4, 5])
    #expect(matrix.padded([1, 0], value: 9).floats() == [9, 1, 2, 3, 9, 4, 5, 6])
    #expect(Tensor.cat([matrix, matrix], dim: 0).shape == [4, 3])
    #expect(Tensor.stack([matrix, matrix], dim: 0).shape == [2, 2, 3])
  }

  @Test func `reductions equal explicit arithmetic`() {
    #expect(matrix.sum(dims: [0]).floats() == [5, 7, 9])
    #expect(matrix.mean(dims: [1], keepDim: true).shape == [2, 1])
    #expect(matrix.mean().item() == 3.5)
    #expect(matrix.amax().item() == 6)
    #expect(matrix.amin(dims: [0]).floats() == [1, 2, 3])
    #expect(abs(matrix.norm().item() - 91.0.squareRoot()) < 1e-6)
  }

  @Test func `in-place operators write into their receiver`() {
    let tensor = Tensor([1, 2] as [Float], shape: [2])
    let other = Tensor([10, 20] as [Float], shape: [2])
    tensor.add_(other, scale: 0.5)
    #expect(tensor.floats() == [6, 12])
    tensor.mul_(2)
    tensor.mul_(other)
    #expect(tensor.floats() == [120, 480])
    tensor.copy_(Tensor([4, 9] as [Int], shape: [2]))
    tensor.sqrt_()
    #expect(tensor.floats() == [2, 3])
    tensor.addcmul_(other, other, scale: 0.01)
    #expect(tensor.floats() == [3, 7])
    tensor.addcdiv_(other, other)
    tensor.lerp_(other, weight: 0.5)
    #expect(tensor.floats() == [7, 14])
    tensor.clamp_(nil, 8)
    #expect(tensor.floats() == [7, 8])
    tensor.fill_(3)
    #expect(tensor.floats() == [3, 3])
  }

  @Test func `lists of tensors are changed in one call`() {
    let list = [Tensor([3, 4] as [Float], shape: [2]), Tensor([5] as [Float], shape: [1])]
    #expect(TensorList.norms(list).map { $0.item() } == [5, 5])
    TensorList.multiply_(list, by: 2)
    TensorList.multiply_(list, by: Tensor([0.5] as [Float], shape: []))
    let ends = list.map { $0 * 3 }
    TensorList.lerp_(list, ends, weight: 0.5)
    #expect(list.map { $0.floats() } == [[6, 8], [10]])
    TensorList.add_(list, ends, scale: -1)
    #expect(list.map { $0.floats() } == [[-3, -4], [-5]])
    TensorList.copy_(list, ends)
    #expect(list[1].item() == 15)
    TensorList.zero_(list)
    #expect(list.map { $0.floats() } == [[0, 0], [0]])
  }
}
