"""What tests of the golden record share."""

import json
import tempfile
import unittest
from pathlib import Path

from methods import read
from plan import Plan
from records import Record

FOLDER = Path("Tools/laboratory/tests/golden")


class GoldenCase(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def plan(self, record: Path = FOLDER / "runs.jsonl", **changes) -> Plan:
        text = json.loads((FOLDER / "methods.json").read_text())
        path = self.folder / "methods.json"
        path.write_text(json.dumps({**text, **changes}))
        laboratory = read(path)
        return Plan(laboratory, laboratory.budgets["full"], Record(record))

    def changed(self, key: str, row: dict) -> None:
        """Writes the golden record with one line changed."""
        lines = [json.loads(line) for line in (FOLDER / "runs.jsonl").read_text().splitlines()]
        text = [json.dumps({**line, **row} if line["key"] == key else line) + "\n" for line in lines]
        (self.folder / "runs.jsonl").write_text("".join(text))
