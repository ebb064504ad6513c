"""Writes docs/command-line.md from the command's own description of its options.

    python3 Tools/command_line.py [.build/release/tempflow]
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEAD = """# Command line

Every command of `tempflow` and its options; `tempflow COMMAND --help` prints the same. `Tools/command_line.py` writes this
page.
"""


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def row(argument):
    if argument["kind"] == "positional":
        name = f"`<{argument['valueName']}>`"
    else:
        name = f"`--{argument['preferredName']['name']}`"
        if argument["kind"] == "option":
            name += f" `<{argument['valueName']}>`"
    default = argument.get("defaultValue", "")
    if not default and not argument["isOptional"]:
        default = "required"
    repeats = " Repeatable." if argument["isRepeating"] else ""
    return f"| {name} | {cell(default)} | {cell(argument.get('abstract', ''))}{repeats} |"


def page(description):
    lines = [HEAD]
    for command in description["command"]["subcommands"]:
        if command["commandName"] == "help":
            continue
        lines += [f"## {command['commandName']}", "", command["abstract"], ""]
        if command.get("discussion"):
            paragraphs = command["discussion"].split("\n\n")
            for paragraph in paragraphs:
                if paragraph.startswith("Example: "):
                    lines += ["    " + paragraph.removeprefix("Example: "), ""]
                else:
                    lines += [paragraph, ""]
        lines += ["| argument | default | meaning |", "|---|---|---|"]
        lines += [
            row(argument) for argument in command["arguments"]
            if argument["shouldDisplay"] and argument["valueName"] not in ("help", "version")
        ]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    command = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / ".build/release/tempflow")
    text = subprocess.run([command, "--experimental-dump-help"], check=True, capture_output=True).stdout
    (ROOT / "docs/command-line.md").write_text(page(json.loads(text)))
