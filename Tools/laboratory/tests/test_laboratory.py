"""Reading, planning, choosing and recording, without a training run."""

import argparse
import contextlib
import io
import json
import shutil
import sys
import unittest
from types import SimpleNamespace
from unittest import mock

import command
import page
import running
from comparison import Comparison
from golden_case import FOLDER, GoldenCase
from methods import FileError, read
from plan import Plan
from inputs import recipe_digest
from records import Record, curve


class LaboratoryTests(GoldenCase):
    def test_pages_and_chart_are_byte_for_byte_the_golden_ones(self):
        for name, files in (("methods", ["compare.md", "compare.svg"]), ("hacking", ["hacking.md"])):
            path = FOLDER / f"{name}.json"
            laboratory = read(path)
            plan = Plan(laboratory, laboratory.budgets["full"], Record(FOLDER / "runs.jsonl"))
            with contextlib.redirect_stdout(io.StringIO()):
                command.report(plan, argparse.Namespace(file=path, budget="full", output=self.folder))
            for file in files:
                self.assertEqual((self.folder / file).read_text(), (FOLDER / file).read_text(), file)

    def test_a_page_can_be_made_of_a_part_of_the_record(self):
        lines = [json.loads(line) for line in (FOLDER / "runs.jsonl").read_text().splitlines()]
        name = ("golden", "final", "plain")
        last = [line for line in lines if (line["task"], line["stage"], line["method"]) == name][-1]
        kept = [line for line in lines if line["method"] != "both" and line is not last]
        (self.folder / "runs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in kept))
        comparison = Comparison(self.plan(self.folder / "runs.jsonl"))
        label = comparison.plan.laboratory.method("both").label
        text = page.page(comparison, "chart.svg", "command")
        self.assertIn(f"**Unfinished: 5 of 9 final runs are recorded; not tuned yet: {label}.**", text)
        self.assertIn("The standard errors are over 2 to 3 seeds of training", text)
        (self.folder / "runs.jsonl").write_text("")
        with self.assertRaises(KeyError):
            Comparison(self.plan(self.folder / "runs.jsonl"))

    def test_methods_take_turns_in_every_stage(self):
        plan = self.plan()
        self.assertEqual([run.method.name for run in plan.runs(0)], ["plain", "branched", "both"] * 3)
        self.assertEqual([run.setting for run in plan.runs(0)], [0, 0, 0, 1, 1, 1, 2, 2, 2])
        self.assertEqual([run.seed for run in plan.runs(2)], [1, 1, 1, 2, 2, 2, 3, 3, 3])
        self.assertEqual([len(plan.runs(stage)) for stage in range(3)], [plan.count(stage) for stage in range(3)])

    def test_tuning_has_the_validation_prompts_and_another_seed_than_final_runs(self):
        plan = self.plan()
        for run in plan.runs(0) + plan.runs(1):
            self.assertIn("prompts.evaluation=Tools/laboratory/tests/golden/validation.jsonl", run.arguments)
            self.assertEqual(run.seed, 0)
        for run in plan.runs(2):
            self.assertIn("prompts.evaluation=Tools/laboratory/tests/golden/held-out.jsonl", run.arguments)
            self.assertIn(run.seed, (1, 2, 3))

    def test_the_best_settings_go_on_and_a_run_that_ended_early_is_last(self):
        plan = self.plan()
        both = plan.laboratory.method("both")
        self.assertEqual(plan.tuning_line(both, 2, 0)["ended"], "the policy loss is not finite")
        self.assertEqual(plan.ranking(both, 0)[-1], 2)
        plain = plan.laboratory.method("plain")
        scores = [plan.tuning_line(plain, setting, 0)["after"]["mean"] for setting in range(3)]
        self.assertEqual(plan.candidates(plain, 1), sorted(range(3), key=lambda setting: -scores[setting])[:2])

    def test_of_two_with_one_accuracy_the_one_that_was_ahead_stays_ahead(self):
        plan = self.plan()
        plain = plan.laboratory.method("plain")
        first, second = plan.candidates(plain, 1)
        best = plan.tuning_line(plain, first, 1)["after"]
        self.changed(plan.tuning_line(plain, second, 1)["key"], {"after": best})
        self.assertEqual(self.plan(self.folder / "runs.jsonl").chosen(plain), first)
        self.changed(plan.tuning_line(plain, second, 1)["key"], {"after": {"mean": best["mean"] + 0.001}})
        self.assertEqual(self.plan(self.folder / "runs.jsonl").chosen(plain), second)

    def test_a_changed_setting_makes_old_lines_stale_and_a_changed_remark_does_not(self):
        def keys(plan: Plan) -> list[str]:
            return [run.key for run in plan.runs(0)]

        before = keys(self.plan())
        self.assertTrue(all(key in self.plan().record.lines for key in before))
        self.assertEqual(before, keys(self.plan(title="Other words")))
        self.assertFalse(set(before) & set(keys(self.plan(common=["threads=2"]))))
        recipe = self.folder / "recipe.yaml"
        shutil.copy(FOLDER / "recipe.yaml", recipe)
        own = recipe_digest(str(recipe))
        recipe.write_text("# Another remark.\n\n" + recipe.read_text())
        self.assertEqual(recipe_digest(str(recipe)), own)
        recipe.write_text(recipe.read_text() + "seed: 3\n")
        self.assertNotEqual(recipe_digest(str(recipe)), own)

    def test_evaluations_come_as_often_as_the_speed_of_tuning_allows(self):
        plan = self.plan()
        for run in plan.runs(2):
            line = plan.tuning_line(run.method, run.setting, 1)
            every = round(300 / 3 / (line["training_seconds"] / 30))
            self.assertEqual(run.intervals, {"evaluation.every": str(every), "checkpoints.every": str(every)})

    def test_methods_that_are_not_tuned_alike_and_unknown_keys_are_refused(self):
        text = json.loads((FOLDER / "methods.json").read_text())
        grids = {**text["grids"], "one": {"keys": ["seed"], "settings": [["1"]]}}
        methods = [text["methods"][0], {**text["methods"][1], "grid": "one"}]
        with self.assertRaisesRegex(FileError, "tuned alike, and their grids have 1, 3 settings"):
            self.plan(grids=grids, methods=methods)
        with self.assertRaisesRegex(FileError, "the key colour is unknown"):
            self.plan(colour="red")
        with self.assertRaisesRegex(FileError, "there is no part roots"):
            self.plan(methods=[{**text["methods"][0], "parts": ["roots"]}])

    def test_a_line_without_its_end_is_dropped_and_the_next_takes_its_place(self):
        path = self.folder / "runs.jsonl"
        path.write_text('{"key":"a","n":1}\n{"key":"b","n"')
        record = Record(path)
        self.assertEqual(list(record.lines), ["a"])
        record.append({"key": "c", "n": 3})
        self.assertEqual(path.read_text(), '{"key":"a","n":1}\n{"key":"c","n":3}\n')

    def test_lines_of_another_laboratory_are_never_overwritten(self):
        path = self.folder / "runs.jsonl"
        record, other = Record(path), Record(path)
        other.append({"key": "a"})
        with self.assertRaisesRegex(OSError, "another program has added lines"):
            record.append({"key": "b"})
        record.read()
        record.append({"key": "b"})
        self.assertEqual(path.read_text(), '{"key":"a"}\n{"key":"b"}\n')

    def test_a_curve_has_what_was_spent_until_each_evaluation(self):
        def evaluation(epoch: int, mean: float, **more) -> dict:
            line = {"kind": "evaluation", "epoch": epoch, "mean": mean, "standard_error": 0.1}
            return {**line, "training_reward_mean": 0.5, **more}

        epochs = [{"kind": "epoch", "epoch": epoch, "nfe": 10, "images": 4, "updates": 2 * epoch}
                  for epoch in (1, 2, 3)]
        metrics = [evaluation(0, 0.3), epochs[0], evaluation(1, 0.4), epochs[1], epochs[2],
                   evaluation(3, 0.5, held_out_alarms=["strict"])]
        timings = [{"kind": "start", "epoch": 0}] + [
            {"kind": "epoch", "epoch": epoch, "total_seconds": 1.5 * epoch} for epoch in (1, 2, 3)]
        for name, lines in (("metrics", metrics), ("timings", timings)):
            text = "".join(json.dumps(line) + "\n" for line in lines) + '{"kind":"ep'
            (self.folder / f"{name}.jsonl").write_text(text)
        points, totals = curve(self.folder)
        self.assertEqual(points["seconds"], [0, 1.5, 4.5])
        self.assertEqual(points["nfe"], [0, 10, 30])
        self.assertEqual(points["images"], [0, 4, 12])
        self.assertEqual(points["mean"], [0.3, 0.4, 0.5])
        self.assertEqual(totals, {
            "epochs": 3, "updates": 6, "training_seconds": 4.5, "nfe": 30, "images": 12, "alarm_epoch": 3})

    def test_seconds_are_those_of_the_reference(self):
        for name, kind in (("metrics", "evaluation"), ("timings", "epoch")):
            line = {"kind": kind, "epoch": 0, "mean": 0.3, "standard_error": 0.1, "training_reward_mean": 0.5,
                    "total_seconds": 12.0}
            (self.folder / f"{name}.jsonl").write_text(json.dumps(line) + "\n")
        points, totals = curve(self.folder, slowness=3)
        self.assertEqual((points["seconds"], totals["training_seconds"]), ([4.0], 4.0))
        reference = {"recipe": "Recipes/shapes.yaml", "epoch_seconds": 3.7}
        found = self.plan(reference=reference).laboratory.reference
        self.assertEqual((found.recipe, found.epoch_seconds), ("Recipes/shapes.yaml", 3.7))
        self.assertIsNone(self.plan().laboratory.reference)
        with self.assertRaisesRegex(FileError, "reference: the key epoch_seconds is missing"):
            self.plan(reference={"recipe": "Recipes/shapes.yaml"})
        self.assertEqual([page.speed([{}]), page.speed([{"slowness": 1.0}])], ["", ""])
        self.assertIn("one took 1.00 to 3.10 s", page.speed([{"slowness": 3.1}, {}]))

    def test_a_machine_is_measured_once_unless_something_else_runs_there(self):
        reference = SimpleNamespace(recipe="Recipes/shapes.yaml", epoch_seconds=3.7)
        runner = running.Runner(
            sys.executable, "task", "base", self.folder / "runs" / "task-full", Record(self.folder / "r"), 2, reference)
        runner.folder.mkdir(parents=True)
        measured = iter([(2.5, 0.9), (2.0, 0.97), (3.0, 0.97)])
        with mock.patch.object(runner, "measure", side_effect=lambda: next(measured)), \
                contextlib.redirect_stdout(io.StringIO()) as said:
            self.assertEqual([runner.known_slowness() for _ in range(3)], [2.5, 2.0, 2.0])
            self.assertEqual(said.getvalue().count("beside other programs"), 1)
            runner.jobs = 1
            self.assertEqual(runner.known_slowness(), 3.0)

    def test_other_training_prompts_or_weights_make_old_lines_stale(self):
        shutil.copytree(FOLDER, self.folder / "task")
        base = str(self.folder / "task" / "recipe.yaml")

        def key() -> str:
            return self.plan(base=base).runs(0)[0].key

        own = key()
        self.assertIn(own, self.plan().record.lines)
        for name in ("train.jsonl", "model/transformer/weights.safetensors"):
            path = self.folder / "task" / name
            text = path.read_text()
            path.write_text(text + "more")
            self.assertNotEqual(key(), own)
            path.write_text(text)
            self.assertEqual(key(), own)
        path.unlink()
        with self.assertRaisesRegex(FileError, "there is no"):
            key()
        other = str(self.folder / "task" / "held-out.jsonl")
        shutil.copytree(FOLDER / "model", self.folder / "task" / "model", dirs_exist_ok=True)
        self.assertNotEqual(self.plan(common=["threads=1", f"prompts.train={other}"]).runs(0)[0].key, own)

    def test_source_images_are_a_part_of_the_key_and_shared_texts_are_told(self):
        task = self.folder / "task"
        shutil.copytree(FOLDER, task)
        for name in ("train", "validation", "held-out"):
            lines = [{"prompt": "move it up", "image": f"{name}.png"}, {"prompt": f"of {name}", "image": f"{name}.png"}]
            (task / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
            (task / f"{name}.png").write_text(name)
        paths = {
            "base": str(task / "recipe.yaml"), "validation": str(task / "validation.jsonl"),
            "held_out": str(task / "held-out.jsonl"),
        }

        def key() -> str:
            return self.plan(**paths).runs(0)[0].key

        own = key()
        said = "of whose 2 texts 1 are also trained on and 1 are held out"
        self.assertEqual(
            page.choice(SimpleNamespace(plan=self.plan(**paths))),
            f"validation prompts, {said}, with source images of their own")
        (task / "train.png").write_text("validation")
        self.assertNotEqual(key(), own)
        self.assertEqual(page.choice(SimpleNamespace(plan=self.plan(**paths))), f"validation prompts, {said}")


if __name__ == "__main__":
    unittest.main()
