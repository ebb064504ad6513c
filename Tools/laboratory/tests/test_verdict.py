"""What a page says about differences, grids and runs that diverged."""

import json
import unittest

from comparison import Comparison
from golden_case import FOLDER, GoldenCase
from grid import Grid
from page import page
from records import Record
from verdict import is_shown, verdict


class VerdictTests(GoldenCase):
    def test_edges_are_those_of_the_rows_that_were_tried(self):
        grid = Grid(("rate", "clip"), (("1", "0.1"), ("2", "1e-1"), ("3", "0.1"), ("2", "0.3")))
        self.assertEqual([grid.edges(setting, 3) for setting in range(3)], [["rate"], [], ["rate"]])
        self.assertEqual(grid.edges(3, 4), ["clip"])
        self.assertEqual(grid.untuned(3), ["clip = 0.1"])
        self.assertEqual(grid.untuned(4), [])
        self.assertEqual(grid.untuned(1), ["rate = 1", "clip = 0.1"])

    def test_a_difference_is_shown_after_holms_correction_and_not_without_a_p_value(self):
        comparison = Comparison(self.plan())
        for pair in comparison.pairs():
            self.assertEqual(is_shown(pair), pair.adjusted < 0.05)
        last = [run.key for run in self.plan().runs(2) if run.method.name == "plain" and run.seed > 1]
        record = (FOLDER / "runs.jsonl").read_text().splitlines()
        lines = [line for line in record if json.loads(line)["key"] not in last]
        (self.folder / "runs.jsonl").write_text("\n".join(lines) + "\n")
        text = "\n".join(verdict(Comparison(self.plan(self.folder / "runs.jsonl"))))
        self.assertIn("It is not told apart from Branched (0.019 ± 0.011) and Plain (0.120).", text)
        self.assertIn("Not resolved: Both and Branched; Both and Plain; Branched and Plain.", text)

    def test_a_method_that_falls_long_before_the_end_is_named(self):
        self.assertNotIn("Accuracy falls", "\n".join(verdict(Comparison(self.plan()))))
        keys = [run.key for run in self.plan().runs(2) if run.method.name == "plain"]
        lines = [json.loads(line) for line in (FOLDER / "runs.jsonl").read_text().splitlines()]
        for line in lines:
            if line["key"] in keys:
                line["curve"]["mean"][2], line["curve"]["mean"][-1] = 0.6, 0.1
                time = line["curve"]["seconds"][2]
        (self.folder / "runs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        text = "\n".join(verdict(Comparison(self.plan(self.folder / "runs.jsonl"))))
        self.assertIn(f"its best evaluation, for Plain (0.600 after {time:.0f} s, 0.100 at the end).", text)

    def test_a_run_that_diverged_counts_with_its_accuracy_before_training(self):
        key = next(run.key for run in self.plan().runs(2) if run.method.name == "both" and run.seed == 2)
        line = Record(FOLDER / "runs.jsonl").lines[key]
        cut = {name: values[:3] for name, values in line["curve"].items()}
        for ended, end in (("the policy loss is not finite", 0.38), ("no image has an advantage", cut["mean"][2])):
            self.changed(key, {"ended": ended, "curve": cut})
            comparison = Comparison(self.plan(self.folder / "runs.jsonl"))
            both = next(outcome for outcome in comparison.outcomes if outcome.method.name == "both")
            self.assertEqual(both.values("seconds", 150)[1], cut["mean"][2])
            self.assertEqual(both.values("seconds", 300)[1], end)
            text = page(comparison, "compare.svg", "laboratory")
            self.assertEqual("Both: 1 of 3 seeds diverged." in text, end == 0.38)
            self.assertEqual("1 run ended early" in text, end != 0.38)


if __name__ == "__main__":
    unittest.main()
