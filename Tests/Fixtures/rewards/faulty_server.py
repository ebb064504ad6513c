"""A reward server that misbehaves on purpose, for tests. The path says how: /FAULT/score.

Prints its port on the first line. Standard library only.
"""

import json
import socket
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen = []  # (fault, request id, samples) of every request, in order
    under_way = most_under_way = 0
    lock = threading.Lock()

    def log_message(self, *arguments):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        # A proxy is asked for a whole address.
        fault = (self.path.split("/", 3)[3] if "://" in self.path else self.path[1:]).split("/")[0]
        request = json.loads(body)
        with Handler.lock:
            Handler.under_way += 1
            Handler.most_under_way = max(Handler.most_under_way, Handler.under_way)
            earlier = sum(1 for name, *_ in Handler.seen if name == fault)
            Handler.seen.append((fault, request.get("id"), len(request.get("samples", []))))
        try:
            if fault.startswith("status-"):
                self.send({"error": "as asked"}, int(fault.removeprefix("status-")))
            else:
                getattr(self, fault)(request, earlier)
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            with Handler.lock:
                Handler.under_way -= 1

    def do_GET(self):  # what the tests ask afterwards
        self.send({"seen": Handler.seen, "most_under_way": Handler.most_under_way})

    def send(self, answer, status=200, **headers):
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def scores(self, request, values=None, **more):
        samples = request["samples"]
        values = [float(len(s["prompt"])) for s in samples] if values is None else values
        return {"protocol": 1, "id": request["id"], "scores": values, **more}

    # Servers that work, for comparison.

    def good(self, request, earlier):
        self.send(self.scores(request, parts={"half": [len(s["prompt"]) / 2 for s in request["samples"]]}))

    def null(self, request, earlier):
        values = [None] + [1] * (len(request["samples"]) - 1)
        self.send(self.scores(request, values))

    def echo(self, request, earlier):  # the PNG's signature and the metadata, as parts
        samples = request["samples"]
        import base64
        first = [base64.b64decode(s["png"])[1:4] == b"PNG" for s in samples]
        self.send(self.scores(request, [float(s["metadata"]["x"]) for s in samples],
                              parts={"png": [float(f) for f in first]}))

    def sees(self, request, earlier):  # what each sample's metadata says it is to see
        metadata = [s["metadata"] for s in request["samples"]]
        self.send({"protocol": 1, "id": request["id"],
                   "texts": [m.get("text") for m in metadata],
                   "detections": [m.get("objects") for m in metadata]})

    def infinite_boxes(self, request, earlier):
        car = {"label": "car", "confidence": float("nan"), "box": [0, 0, float("inf"), 1]}
        self.send({"protocol": 1, "id": request["id"],
                   "detections": [[car]] + [[]] * (len(request["samples"]) - 1)})

    def slow(self, request, earlier):
        time.sleep(0.05)
        self.good(request, earlier)

    def key(self, request, earlier):
        given = self.headers["Authorization"] or ""
        if given == "Bearer right-key":
            self.good(request, earlier)
        else:
            self.send({"error": f"the key {given} is wrong"}, 401)

    # Faults that pass.

    def twice(self, request, earlier):  # two failures, then an answer
        self.send({}, 500) if earlier < 2 else self.good(request, earlier)

    def busy(self, request, earlier):
        self.send({}, 429, Retry_After="0.3") if earlier < 1 else self.good(request, earlier)

    # Faults that stay.

    def reset(self, request, earlier):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
        raise ConnectionResetError

    def broken(self, request, earlier):
        self.send({"error": "out of memory"}, 500)

    def drip(self, request, earlier):  # a byte at a time, so that no wait between bytes is long
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        for _ in range(200):
            self.wfile.write(b" ")
            self.wfile.flush()
            time.sleep(0.02)

    def silent(self, request, earlier):
        time.sleep(2)

    def endless(self, request, earlier):
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        chunk = b" " * 65536
        for _ in range(16384):
            self.wfile.write(chunk)

    def huge(self, request, earlier):  # only says that it is
        self.send_response(200)
        self.send_header("Content-Length", str(1 << 30))
        self.end_headers()
        self.close_connection = True

    def cut(self, request, earlier):  # less than the Content-Length
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"{")
        self.close_connection = True

    def short(self, request, earlier):
        self.send(self.scores(request, [1.0] * (len(request["samples"]) - 1)))

    def nan(self, request, earlier):
        self.send(self.scores(request, [float("nan")] * len(request["samples"])))

    def infinite(self, request, earlier):  # as json.dumps writes what is not finite
        self.send(self.scores(request, [1, float("inf"), float("-inf"), 4],
                              parts={"half": [float("nan"), 1, 1, 1]}))

    def text(self, request, earlier):
        self.send(self.scores(request, ["0.5"] * len(request["samples"])))

    def flag(self, request, earlier):
        self.send(self.scores(request, [True] * len(request["samples"])))

    def other(self, request, earlier):
        self.send({**self.scores(request), "id": "another"})

    def page(self, request, earlier):
        self.send(b"<html>Welcome to nginx</html>")

    def names(self, request, earlier):
        self.send(self.scores(request, parts={"a b": [1.0] * len(request["samples"])}))

    def refused(self, request, earlier):
        self.send({"error": "too many samples"}, 413)

    # What a person has to see to.

    def missing(self, request, earlier):
        self.send({"error": "no such page"}, 404)

    def version(self, request, earlier):
        self.send({**self.scores(request), "protocol": 2})

    def redirect(self, request, earlier):
        self.send({}, 307, Location="http://elsewhere.invalid/score?key=secret")

    # OpenAI-compatible chat: `id` and `samples` are not there.

    def chat(self, request, earlier):
        text = next(p["text"] for p in request["messages"][0]["content"] if p["type"] == "text")
        image = next(p for p in request["messages"][0]["content"] if p["type"] == "image_url")
        assert image["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
        content, reason = {
            "none": (None, "length"), "vague": ("It is fine.", "stop"), "six": ("Final Score: 6", "stop"),
            "wordy": ("I will end with Final Score: 1.\n\n**Final Score: 4.5**", "stop"),
        }.get(text.split("[")[-1].rstrip("]"), (f"Final Score: {len(text) % 5 + 1}", "stop"))
        message = {"role": "assistant", "content": content, "reasoning_content": "Final Score: 2"}
        self.send({"id": "chatcmpl-1", "object": "chat.completion", "model": request["model"],
                   "choices": [{"index": 0, "message": message, "finish_reason": reason}]})

    def loading(self, request, earlier):  # llama.cpp's server while it loads its model
        if earlier < 1:
            self.send({"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, 503)
        else:
            self.chat(request, earlier)

    def unserved(self, request, earlier):  # vLLM for a model that it does not serve
        self.send({"error": {"message": "The model `x` does not exist.", "type": "NotFoundError",
                             "code": 404}}, 404)


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    ThreadingHTTPServer.allow_reuse_address = True
    ThreadingHTTPServer.daemon_threads = True
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print(server.server_address[1], flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown()), daemon=True).start()
    server.serve_forever()
