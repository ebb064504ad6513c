#!/usr/bin/env python3
"""Serves a Python function as a reward, over HTTP or as a child process.

    reward_server.py my_reward:score                 http://127.0.0.1:8000/score
    reward_server.py my_reward:score --stdio         as `command` of the reward `process`

The function takes a list of samples, dictionaries with `prompt` (text), `png` (the bytes of a PNG
file), `sources` (a list of the bytes of PNG files: the prompt's condition images, such as the picture
to edit; empty for a prompt without) and `metadata` (the prompt's entry in the prompt file). It returns
one number per sample, larger is better, None for a missing score; or a dictionary with such a list as
`scores` and optionally `parts`, lists by name. For the rewards `ocr` and `geneval` the dictionary holds
`texts` or `detections` instead. `my_reward` may also be in the current folder. One call runs at a time.

The protocol is docs/rewards/protocol.md. Standard library only.
"""

import argparse
import base64
import collections
import hmac
import importlib
import json
import math
import os
import pathlib
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PROTOCOL = 1
MAX_REQUEST_BYTES = 1 << 28
CACHED_ANSWERS = 256  # answers kept for repeated requests


class Refused(Exception):
    """A request that cannot be served, with its HTTP status."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class Server(ThreadingHTTPServer):
    request_queue_size = 128  # connections that wait to be accepted: every process of a run has some


class Scorer:
    """Calls the function for requests and caches its answers by their identifiers."""

    def __init__(self, function, keeps_going=False):
        self.function = function
        # Once the function has scored something, a sample on which it fails has no score. An HTTP client
        # asks again instead, where a program would have to be started again.
        self.keeps_going = keeps_going
        self.has_scored = False
        self.lock = threading.Lock()
        self.answers = collections.OrderedDict()

    def answer(self, request):
        if not isinstance(request, dict) or request.get("protocol") != PROTOCOL:
            raise Refused(501, f"this server supports protocol {PROTOCOL}")
        identifier, samples = request.get("id"), request.get("samples")
        if not isinstance(identifier, str) or not isinstance(samples, list):
            raise Refused(400, "a request has an id and samples")
        samples = [read_sample(sample) for sample in samples]
        with self.lock:
            if identifier not in self.answers:
                result = self.call(samples)
                self.answers[identifier] = {"protocol": PROTOCOL, "id": identifier, **result}
                if len(self.answers) > CACHED_ANSWERS:
                    self.answers.popitem(last=False)
            return self.answers[identifier]

    def call(self, samples):
        try:
            result = tidy(self.function(samples))
            self.has_scored = True
            return result
        except Exception:
            stays = self.keeps_going and self.has_scored
            if len(samples) < 2 and not stays:
                raise
            traceback.print_exc()
            if len(samples) < 2:
                return {"scores": [None]}
        # A sample on which the function fails must not remove the scores of the others.
        results, failure = [], None
        for sample in samples:
            try:
                results.append(tidy(self.function([sample])))
            except Exception as error:
                results.append({})
                failure = error
        if not any(results):
            if not stays:
                raise failure
            return {"scores": [None] * len(samples)}
        self.has_scored = True
        return join(results)


def read_sample(sample):
    try:
        return {
            "prompt": sample["prompt"],
            "png": read_image(sample),
            "sources": [read_image(source) for source in sample.get("sources", [])],
            "metadata": sample.get("metadata", {}),
        }
    except (TypeError, KeyError, ValueError, OSError) as error:
        raise Refused(400, f"a sample cannot be read: {error}") from error


def read_image(holder):
    if "path" in holder:
        return pathlib.Path(holder["path"]).read_bytes()
    return base64.b64decode(holder["png"], validate=True)


def tidy(result):
    """A function's result as members of an answer: plain numbers, None if not finite."""
    if not isinstance(result, dict):
        result = {"scores": result}
    result = dict(result)
    if "scores" in result:
        result["scores"] = [number(value) for value in result["scores"]]
    if "parts" in result:
        result["parts"] = {
            name: [number(value) for value in values] for name, values in result["parts"].items()
        }
    return result


def number(value):
    if value is None:
        return None
    value = float(value)
    return value if math.isfinite(value) else None


def join(results):
    """The joined results of single samples; missing parts are None."""
    keys = {key for result in results for key in result} - {"parts"}
    names = sorted({name for result in results for name in result.get("parts", {})})
    joined = {key: [result.get(key, [None])[0] for result in results] for key in sorted(keys)}
    if names:
        joined["parts"] = {
            name: [result.get("parts", {}).get(name, [None])[0] for result in results] for name in names
        }
    return joined


def handler(scorer, key):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60  # seconds that a connection may be silent

        def do_GET(self):
            self.send(200, {"protocol": PROTOCOL})

        def do_POST(self):
            try:
                self.send(200, scorer.answer(self.read()))
            except Refused as error:
                self.send(error.status, {"protocol": PROTOCOL, "error": str(error)})
            except Exception as error:
                traceback.print_exc()
                self.send(500, {"protocol": PROTOCOL, "error": f"{type(error).__name__}: {error}"})

        def read(self):
            self.close_connection = True  # the connection can be reused only after the body is read
            if key is not None:
                given = self.headers.get("Authorization", "")
                if not hmac.compare_digest(given.encode(), f"Bearer {key}".encode()):
                    raise Refused(401, "a key is required")
            length = self.headers.get("Content-Length", "")
            if not length.isdigit():
                raise Refused(411, "the length of the request is missing")
            if int(length) > MAX_REQUEST_BYTES:
                raise Refused(413, f"more than {MAX_REQUEST_BYTES} bytes; lower batch_size")
            body = self.rfile.read(int(length))
            self.close_connection = False
            try:
                return json.loads(body)
            except ValueError as error:
                raise Refused(400, f"not JSON: {error}") from error

        def send(self, status, answer):
            body = json.dumps(answer, allow_nan=False).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    return Handler


def serve_lines(scorer):
    """Answers requests line by line until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # output of the function must not be read as an answer
    for line in sys.stdin.buffer:
        # A failed request ends the process: its parent reads the reason and restarts it.
        print(json.dumps(scorer.answer(json.loads(line)), allow_nan=False), file=answers, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("function", help="module:function")
    parser.add_argument("--stdio", action="store_true", help="JSON lines on standard input and output")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0 selects a free port; it is printed")
    parser.add_argument("--key-variable", help="environment variable with the clients' key")
    options = parser.parse_args()
    sys.path.insert(0, os.getcwd())
    module, _, name = options.function.partition(":")
    scorer = Scorer(getattr(importlib.import_module(module), name or "score"), keeps_going=options.stdio)
    if options.stdio:
        return serve_lines(scorer)
    key = None
    if options.key_variable:
        # The client does not send space around its key either: a file of a secret ends with a line end.
        key = os.environ.get(options.key_variable, "").strip()
        if not key:
            parser.error(f"the environment variable {options.key_variable} has no key")
    server = Server((options.host, options.port), handler(scorer, key))
    server.daemon_threads = True
    print(f"http://{options.host}:{server.server_address[1]}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
