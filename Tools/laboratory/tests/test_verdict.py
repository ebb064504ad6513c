"""What a page says about differences, grids and runs that diverged."""

import json
import unittest
from dataclasses import replace
from unittest import mock

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

    def test_a_p_value_at_the_level_is_on_neither_side(self):
        comparison = Comparison(self.plan())
        pairs = comparison.pairs()
        for value, said in ((0.0499, "At the limit of what is told apart: Branched (0.019 ± 0.011; p 0.050)."),
                            (0.0501, "At the limit of what is told apart: Branched (0.019 ± 0.011; p 0.050)."),
                            (0.03, "It is ahead of Branched (0.019 ± 0.011)"), (0.07, "not told apart from Branched")):
            changed = [replace(pairs[0], adjusted=value), *pairs[1:]]
            with mock.patch.object(comparison, "pairs", return_value=changed):
                text = "\n".join(verdict(comparison))
            self.assertIn(said, text)
            self.assertEqual(f"and {int(abs(value - 0.05) < 0.01)} have p within 0.01 of it" in text, True)

    def test_runs_with_settings_that_are_no_longer_tried_are_told(self):
        self.assertNotIn("made before these grids", "\n".join(verdict(Comparison(self.plan()))))
        lines = [json.loads(line) for line in (FOLDER / "runs.jsonl").read_text().splitlines()]
        for stage, seconds, mean in (("tuning 1", 30, 0.4), ("final", 300, 0.5), ("final", 300, 0.6)):
            line = next(line for line in lines if line["method"] == "plain" and line["stage"] == stage)
            lines.append({**line, "key": f"other {len(lines)}", "seconds": seconds, "after": {"mean": mean}})
        (self.folder / "runs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        text = "\n".join(verdict(Comparison(self.plan(self.folder / "runs.jsonl"))))
        self.assertIn("Plain (1 of 30 s and 2 of 300 s with 0.550 on held-out prompts). So these", text)

    def test_a_page_without_tuning_claims_none(self):
        comparison = Comparison(self.plan())
        self.assertIn("best of its own settings", page(comparison, "compare.svg", "laboratory"))
        comparison.plan.budget = replace(comparison.plan.budget, tuning=())
        text = page(comparison, "compare.svg", "laboratory")
        self.assertIn("none was tuned here", text)
        for claim in ("best of its own settings", "more tuning", "choice of a setting"):
            self.assertNotIn(claim, text)

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
