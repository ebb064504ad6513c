// Sums and maxima of 16 rows at once, of vectors of 16 numbers for any processor.
#pragma once

#ifndef INLINE
#define INLINE static inline __attribute__((always_inline))
#endif

// Lanes of `a` where the index lacks the bit `d`, of `b` where it has it; with `x`, those at a distance of `d`.
#define LANE(i, d, x) ((((i) & d) ? 16 : 0) + ((i) ^ (x)))
#define PAIRED(a, b, d, x)                                                                                             \
  __builtin_shufflevector(a, b, LANE(0, d, x), LANE(1, d, x), LANE(2, d, x), LANE(3, d, x), LANE(4, d, x),             \
                          LANE(5, d, x), LANE(6, d, x), LANE(7, d, x), LANE(8, d, x), LANE(9, d, x), LANE(10, d, x),   \
                          LANE(11, d, x), LANE(12, d, x), LANE(13, d, x), LANE(14, d, x), LANE(15, d, x))

// Number i of the result joins all numbers of `rows[i]`: 16 rows in the steps of one.
template <typename Vector, typename Join> INLINE Vector reduced(Vector *rows, Join join) {
  for (int i = 0; i < 8; ++i) rows[i] = join(PAIRED(rows[i], rows[i + 8], 8, 0), PAIRED(rows[i], rows[i + 8], 8, 8));
  for (int i = 0; i < 4; ++i) rows[i] = join(PAIRED(rows[i], rows[i + 4], 4, 0), PAIRED(rows[i], rows[i + 4], 4, 4));
  for (int i = 0; i < 2; ++i) rows[i] = join(PAIRED(rows[i], rows[i + 2], 2, 0), PAIRED(rows[i], rows[i + 2], 2, 2));
  return join(PAIRED(rows[0], rows[1], 1, 0), PAIRED(rows[0], rows[1], 1, 1));
}
template <typename Vector> INLINE Vector sums(Vector *rows) {
  return reduced(rows, [](Vector a, Vector b) __attribute__((always_inline)) { return a + b; });
}
template <typename Vector> INLINE Vector largest(Vector *rows) {
  return reduced(rows, [](Vector a, Vector b) __attribute__((always_inline)) { return a > b ? a : b; });
}

#undef PAIRED
#undef LANE
