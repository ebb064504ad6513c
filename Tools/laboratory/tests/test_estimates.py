"""Means, differences and interpolation against closed forms."""

import math
import unittest

from estimates import estimate, holm, interpolate, two_sided, welch


class EstimateTests(unittest.TestCase):
    def test_a_mean_has_the_sample_deviation_over_the_root_of_the_count(self):
        found = estimate([1.0, 2.0, 3.0, 4.0])
        self.assertEqual(found.mean, 2.5)
        self.assertAlmostEqual(found.error, math.sqrt(5 / 3 / 4), places=15)
        self.assertIsNone(estimate([1.0]).error)

    def test_students_distribution_has_its_closed_forms(self):
        for t in (0.1, 1.0, 2.0, 5.0, 40.0):
            self.assertAlmostEqual(two_sided(t, 1), 1 - 2 / math.pi * math.atan(t), places=12)
            self.assertAlmostEqual(two_sided(t, 2), 1 - t / math.sqrt(2 + t * t), places=12)
            angle = math.atan(t / math.sqrt(3))
            third = 1 - 2 / math.pi * (angle + math.sin(angle) * math.cos(angle))
            self.assertAlmostEqual(two_sided(t, 3), third, places=12)
            self.assertAlmostEqual(two_sided(t, 1e9), math.erfc(t / math.sqrt(2)), places=6)

    def test_welch_with_equal_variances_and_counts_has_the_pooled_degrees_of_freedom(self):
        found = welch([3.0, 4.0, 5.0], [1.0, 2.0, 3.0])
        self.assertEqual(found.value, 2)
        self.assertAlmostEqual(found.error, math.sqrt(2 / 3), places=15)
        self.assertAlmostEqual(found.freedom, 4, places=12)
        # With four degrees of freedom: P(|T| > t) = 1 - s (3 - s^2) / 2, s = t / sqrt(t^2 + 4).
        t = found.value / found.error
        s = t / math.sqrt(t * t + 4)
        self.assertAlmostEqual(found.p, 1 - s * (3 - s * s) / 2, places=12)
        self.assertTrue(found.is_resolved)

    def test_welch_against_a_constant_has_the_freedom_of_the_other(self):
        found = welch([0.5, 0.6, 0.7], [0.4, 0.4, 0.4, 0.4, 0.4])
        self.assertAlmostEqual(found.freedom, 2, places=12)

    def test_two_constants_differ_for_certain_or_not_at_all(self):
        self.assertEqual(welch([1.0, 1.0], [0.0, 0.0]).p, 0)
        self.assertEqual(welch([1.0, 1.0], [1.0, 1.0]).p, 1)
        self.assertIsNone(welch([1.0], [0.0, 1.0]).p)

    def test_holm_multiplies_by_the_tests_that_are_left_and_never_falls(self):
        self.assertEqual(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
        self.assertEqual(holm([0.9, 0.8]), [1.0, 1.0])

    def test_a_value_between_two_points_is_on_the_line_and_beyond_them_there_is_none(self):
        xs, ys = [0.0, 10.0, 30.0], [1.0, 2.0, 0.0]
        self.assertEqual([interpolate(xs, ys, x) for x in (0, 5, 10, 20, 30)], [1.0, 1.5, 2.0, 1.0, 0.0])
        self.assertIsNone(interpolate(xs, ys, 31))
        self.assertIsNone(interpolate(xs, ys, -1))


if __name__ == "__main__":
    unittest.main()
