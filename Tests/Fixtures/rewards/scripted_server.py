"""A server that answers by a script and keeps what it is asked, for tests.

    PUT  /NAME      a script: answers by the key of a question
    POST /NAME/...  a question, or a request of the scoring protocol
    GET  /NAME      the bodies of the requests so far, in order

A question's key is IMAGES/SEED, with the count of its images and its seed; without an answer under that
key, IMAGES, and then the empty text. An answer is a text, or {"choice": …} for a whole choice, or
{"status": …, "body": …}. The scoring protocol is read as by a server from before `sources`: it looks at
`prompt`, `png`, `path` and `metadata` alone.

Prints its port on the first line. Standard library only.
"""

import base64
import json
import pathlib
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    scripts = {}
    bodies = {}
    lock = threading.Lock()

    def log_message(self, *arguments):
        pass

    @property
    def name(self):
        return self.path[1:].split("/")[0]

    def read(self):
        return self.rfile.read(int(self.headers["Content-Length"]))

    def send(self, answer, status=200):
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        Handler.scripts[self.name] = json.loads(self.read())
        self.send({})

    def do_GET(self):
        self.send(Handler.bodies.get(self.name, []))

    def do_POST(self):
        body = self.read()
        with Handler.lock:
            Handler.bodies.setdefault(self.name, []).append(body.decode())
        request = json.loads(body)
        self.send(self.scores(request)) if "protocol" in request else self.say(request)

    def scores(self, request):
        assert request["protocol"] == 1
        scores = []
        for sample in request["samples"]:
            path = sample.get("path")
            png = pathlib.Path(path).read_bytes() if path else base64.b64decode(sample["png"], validate=True)
            assert png.startswith(b"\x89PNG") and isinstance(sample["metadata"], dict)
            scores.append(len(sample["prompt"]))
        return {"protocol": 1, "id": request["id"], "scores": scores}

    def say(self, request):
        script = Handler.scripts[self.name]
        images = sum(part["type"] == "image_url" for part in request["messages"][0]["content"])
        keys = [f"{images}/{request.get('seed')}", str(images), ""]
        answer = next((script[key] for key in keys if key in script), None)
        if answer is None:
            return self.send({"error": {"message": f"no answer for {keys[0]}"}}, 404)
        if isinstance(answer, str):
            answer = {"choice": {"message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}}
        if "status" in answer:
            return self.send(answer["body"], answer["status"])
        self.send({"id": "chatcmpl-1", "object": "chat.completion", "choices": [answer["choice"]]})


if __name__ == "__main__":
    ThreadingHTTPServer.daemon_threads = True
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown()), daemon=True).start()
    server.serve_forever()
