"""Summarizes passes of the tests: issues, tests that no pass ran with the reason, a line per pass, and totals.

Arguments, for each pass: its name, the exit status of `swift test`, and its event stream, one JSON object per line. A
test fails if it fails in any pass; it counts as skipped only if every pass skips it.
"""

import json
import sys
from pathlib import Path


def events(path: str) -> list[dict]:
    """The events of a stream; after a crash, its last line may be incomplete, or the file missing."""
    found = []
    # `splitlines` would also split at other line separators, which names of tests may contain.
    for line in Path(path).read_text().split("\n") if Path(path).exists() else []:
        if not line:
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            break
        if record["kind"] == "event":
            found.append(record["payload"])
    return found


def is_test(event: dict) -> bool:
    """Whether the event is of a test; the id of a suite has no source location."""
    return ".swift:" in event.get("testID", "")


def readable(test: str) -> str:
    """`Target.Suite/`what it says`()/File.swift:1:2` -> `Suite: what it says`"""
    *suites, name, _ = test.split(".", 1)[1].split("/")
    return ": ".join(suites + [name.rpartition("(")[0].strip("`")])


passed: set[str] = set()
failed: set[str] = set()
reasons: dict[str, str] = {}
lines, problems, broken_off = [], [], 0
for name, status, path in zip(*[iter(sys.argv[1:])] * 3):
    running: dict[str, None] = {}
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    times = [0.0]
    for event in events(path):
        times.append(event["instant"]["absolute"])
        if event["kind"] == "issueRecorded" and not event["issue"]["isKnown"]:
            texts = [message["text"][:600] for message in event["messages"]]
            problems.append(f"{name}: {readable(event['testID'])}\n  " + "\n  ".join(texts))
        if not is_test(event):
            continue
        test = event["testID"]
        if event["kind"] == "testStarted":
            running[test] = None
        elif event["kind"] == "testEnded":
            running.pop(test, None)
            has_failed = any(message["symbol"] == "fail" for message in event["messages"])
            counts["failed" if has_failed else "passed"] += 1
            (failed if has_failed else passed).add(test)
        elif event["kind"] == "testSkipped":
            counts["skipped"] += 1
            reasons.setdefault(test, (event.get("_comments") or ["no reason given"])[0])
    if status != "0" and not counts["failed"]:
        where = ", in " + " and ".join(map(readable, running)) if running else ""
        problems.append(f"{name}: the test program ended with status {status}{where}")
        counts["failed"] = 1
        broken_off += 1
    if not any(counts.values()):
        problems.append(f"{name}: no test ran, or none could be counted")
        counts["failed"] = 1
        broken_off += 1
    tally = ", ".join(f"{count} {what}" for what, count in counts.items())
    lines.append(f"{name}: {tally}, {max(times) - min(times[1:] or times):.0f} s")

skipped = [test for test in reasons if test not in passed | failed]
if problems:
    print("\nfailed:", *problems, sep="\n")
if skipped:
    print("\nskipped in every pass:", *(f"  {readable(test)}: {reasons[test]}" for test in skipped), sep="\n")
print("", *lines, sep="\n")
print(f"{len(passed - failed)} passed, {len(failed) + broken_off} failed, {len(skipped)} skipped")
sys.exit(bool(failed) or broken_off > 0)
