"""A reward as a child process, for tests: the score is the length of the prompt.

    child.py MODE [FILE]

MODE says how it misbehaves; FILE remembers what happened to earlier children. In the modes `keeps` and `waits` the
requests are appended to FILE.requests; `waits` answers once FILE.go exists.
"""

import base64
import json
import os
import pathlib
import sys
import time

mode = sys.argv[1]
memory = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
earlier = len(memory.read_text().splitlines()) if memory and memory.exists() else 0
if memory:
    with memory.open("a") as file:
        print(os.getpid(), file=file)
if mode == "broken":
    print("No module named 'my_reward'", file=sys.stderr)
    sys.exit(3)
answered = 0
for line in sys.stdin:
    request = json.loads(line)
    if mode in ("keeps", "waits"):
        with pathlib.Path(f"{memory}.requests").open("a") as file:
            file.write(line)
    while mode == "waits" and not pathlib.Path(f"{memory}.go").exists():
        time.sleep(0.01)
    samples = request["samples"]
    images = [pathlib.Path(s["path"]).read_bytes() if "path" in s else base64.b64decode(s["png"])
              for s in samples]
    assert all(image.startswith(b"\x89PNG") for image in images)
    if earlier == 0 and answered == 1:
        if mode == "dies":
            print("out of memory", file=sys.stderr, flush=True)
            os._exit(9)
        if mode == "hangs":
            time.sleep(60)
        if mode == "deaf":
            os.close(1)
            time.sleep(60)
    if mode == "chatty":
        print("loading weights\n\n  50 %", flush=True)
        print("a warning", file=sys.stderr, flush=True)
    answer = {"protocol": 1, "id": request["id"], "scores": [float(len(s["prompt"])) for s in samples],
              "parts": {"inline": [float("png" in s) for s in samples]}}
    if mode == "undefined":
        answer["scores"][-1] = float("nan")
    if mode == "stutters" and earlier == 0 and answered == 1:
        answer["id"] = "x"
    if mode == "floods":
        print("{" + " " * 20_000_000, flush=True)
    print(json.dumps(answer), flush=True)
    answered += 1
