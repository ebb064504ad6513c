"""What passes of the tests came to: issues, each test that no pass ran and its reason, a line for each pass, all tests.

Arguments, for each pass: its name, the status with which `swift test` ended, and its event stream, which has one JSON
object a line. A test that failed in one pass has failed; one that ran in any pass is not skipped.
"""

import json
import sys
from pathlib import Path


def events(path: str) -> list[dict]:
    """A program that broke off may leave half a line at the end, or no file."""
    found = []
    # Not `splitlines`: names of tests may hold other ends of lines than a line feed.
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
    """Whether it is about a test and not a suite, whose name has no place in a file."""
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
