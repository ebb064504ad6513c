// Standard normal numbers of many seeds, as libtorch's generator for processors draws them for `randn`: MT19937
// (Matsumoto and Nishimura 1998), 24 bits for each uniform number, and Box-Muller's pairs at a distance of 8. libtorch
// calls its generator once a number, and a tensor of its own for each seed costs more than drawing it.

#include "kernel_switch.h"
#include "tensors.h"
#include "vectors.h"

#include <ATen/CPUGeneratorImpl.h>

#if defined(__x86_64__)
#include <algorithm>

VECTORS_BEGIN

namespace {

class Twister {
public:
  explicit Twister(uint32_t seed) {
    state[0] = seed;
    for (uint32_t i = 1; i < size; ++i) state[i] = 1812433253u * (state[i - 1] ^ (state[i - 1] >> 30)) + i;
  }

  // `count` numbers of at least 0 and below 1, a multiple of 16 up to `size`.
  void uniform(float *out, int64_t count) {
    if (next == size) renew();
    for (int64_t i = 0; i < count; i += lanes) {
      __m512i x = _mm512_loadu_si512(state + next + i);
      x = _mm512_xor_si512(x, _mm512_srli_epi32(x, 11));
      x = _mm512_xor_si512(x, _mm512_and_si512(_mm512_slli_epi32(x, 7), _mm512_set1_epi32(int32_t(0x9d2c5680))));
      x = _mm512_xor_si512(x, _mm512_and_si512(_mm512_slli_epi32(x, 15), _mm512_set1_epi32(int32_t(0xefc60000))));
      x = _mm512_xor_si512(x, _mm512_srli_epi32(x, 18));
      const Vector value = _mm512_cvtepi32_ps(_mm512_and_si512(x, _mm512_set1_epi32(0xffffff)));
      write(out + i, _mm512_mul_ps(value, _mm512_set1_ps(0x1p-24f)));
    }
    next += count;
  }

  // How many numbers `uniform` may be asked for.
  int64_t left() const { return next == size ? size : size - next; }

private:
  static constexpr int64_t size = 624, distance = 397;
  uint32_t state[size + 1];
  int64_t next = size;

  void renew() {
    // The last number's neighbour is the first new one.
    twist(0, size - distance, distance);
    state[size] = state[0];
    twist(size - distance, size, distance - size);
    next = 0;
  }

  void twist(int64_t begin, int64_t end, int64_t to) {
    for (int64_t i = begin; i < end; i += lanes) {
      const __mmask16 mask = static_cast<__mmask16>((1u << std::min(lanes, end - i)) - 1);
      const __m512i high = _mm512_maskz_loadu_epi32(mask, state + i), low = _mm512_maskz_loadu_epi32(mask, state + i + 1);
      const __m512i far = _mm512_maskz_loadu_epi32(mask, state + i + to);
      const __m512i mixed = _mm512_or_si512(_mm512_and_si512(high, _mm512_set1_epi32(int32_t(0x80000000))),
                                            _mm512_and_si512(low, _mm512_set1_epi32(0x7fffffff)));
      const __mmask16 odd = _mm512_test_epi32_mask(low, _mm512_set1_epi32(1));
      const __m512i moved = _mm512_xor_si512(far, _mm512_srli_epi32(mixed, 1));
      _mm512_mask_storeu_epi32(state + i, mask,
                               _mm512_mask_xor_epi32(moved, odd, moved, _mm512_set1_epi32(int32_t(0x9908b0df))));
    }
  }
};

// The natural logarithm of numbers from 2^-24 to 1.
INLINE Vector logarithm(Vector x) {
  // x = 2^e m with m from 1/sqrt(2) to sqrt(2); ln m = 2 artanh((m - 1) / (m + 1))
  const Vector e = _mm512_getexp_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.41421356f)));
  const Vector m = _mm512_scalef_ps(x, _mm512_sub_ps(_mm512_setzero_ps(), e)), one = _mm512_set1_ps(1.0f);
  const Vector s = _mm512_div_ps(_mm512_sub_ps(m, one), _mm512_add_ps(m, one)), square = _mm512_mul_ps(s, s);
  Vector p = _mm512_set1_ps(2.0f / 9);
  for (float term : {2.0f / 7, 2.0f / 5, 2.0f / 3, 2.0f}) p = _mm512_fmadd_ps(p, square, _mm512_set1_ps(term));
  return _mm512_fmadd_ps(e, _mm512_set1_ps(0.693147181f), _mm512_mul_ps(p, s));
}

// Turns 32 uniform numbers into normal ones: in both halves, numbers i and i + 8 are a pair.
INLINE void boxMuller(float *data) {
  const Vector first = read(data), second = read(data + lanes);
  const Vector below = _mm512_sub_ps(_mm512_set1_ps(1.0f), _mm512_shuffle_f32x4(first, second, 0x44));
  const Vector turns = _mm512_mul_ps(_mm512_shuffle_f32x4(first, second, 0xee), _mm512_set1_ps(4.0f));
  const Vector radius = _mm512_sqrt_ps(_mm512_mul_ps(logarithm(below), _mm512_set1_ps(-2.0f)));
  // Quarters of a turn, and the angle from the nearest of them, at most pi / 4.
  const Vector quarters = _mm512_roundscale_ps(turns, 0);
  const Vector angle = _mm512_mul_ps(_mm512_sub_ps(turns, quarters), _mm512_set1_ps(1.57079633f));
  const Vector square = _mm512_mul_ps(angle, angle);
  Vector sine = _mm512_set1_ps(1.0f / 362880), cosine = _mm512_set1_ps(1.0f / 40320);
  for (float term : {-1.0f / 5040, 1.0f / 120, -1.0f / 6, 1.0f}) sine = _mm512_fmadd_ps(sine, square, _mm512_set1_ps(term));
  for (float term : {-1.0f / 720, 1.0f / 24, -1.0f / 2, 1.0f})
    cosine = _mm512_fmadd_ps(cosine, square, _mm512_set1_ps(term));
  sine = _mm512_mul_ps(sine, angle);
  const __m512i quarter = _mm512_cvtps_epi32(quarters);
  const __mmask16 isOdd = _mm512_test_epi32_mask(quarter, _mm512_set1_epi32(1));
  const __mmask16 isSecondHalf = _mm512_test_epi32_mask(quarter, _mm512_set1_epi32(2));
  const Vector sines = _mm512_mul_ps(radius, _mm512_mask_blend_ps(isOdd, sine, cosine));
  const Vector cosines = _mm512_mul_ps(radius, _mm512_mask_blend_ps(isOdd, cosine, sine)), zero = _mm512_setzero_ps();
  const Vector right = _mm512_mask_sub_ps(sines, isSecondHalf, zero, sines);
  const Vector left = _mm512_mask_sub_ps(cosines, isOdd ^ isSecondHalf, zero, cosines);
  write(data, _mm512_shuffle_f32x4(left, right, 0x44));
  write(data + lanes, _mm512_shuffle_f32x4(left, right, 0xee));
}

// `count` numbers, a multiple of 16.
void fill(uint64_t seed, float *out, int64_t count) {
  Twister twister(static_cast<uint32_t>(seed));
  for (int64_t begin = 0; begin < count;) {
    const int64_t some = std::min(twister.left(), count - begin);
    twister.uniform(out + begin, some);
    begin += some;
  }
  for (int64_t i = 0; i + 2 * lanes <= count; i += 2 * lanes) boxMuller(out + i);
  if (count % (2 * lanes) != 0) {
    float last[2 * lanes] = {};
    std::copy(out + count - lanes, out + count, last);
    boxMuller(last);
    std::copy(last, last + lanes, out + count - lanes);
  }
}

} // namespace

VECTORS_END
#endif

void ctorch_normal(const uint64_t *seeds, int64_t count, CTorchTensor *out) {
  const at::Tensor rows = borrow(out);
  const int64_t size = rows.numel() / count;
#if defined(__x86_64__)
  if (ctorch_kernel_is_on(CTORCH_KERNEL_NORMAL) && size % lanes == 0) {
    for (int64_t row = 0; row < count; ++row) fill(seeds[row], numbers(out) + row * size, size);
    return;
  }
#endif
  at::Generator generator = at::detail::createCPUGenerator();
  for (int64_t row = 0; row < count; ++row) {
    generator.set_current_seed(seeds[row]);
    rows[row].normal_(0, 1, generator);
  }
}
