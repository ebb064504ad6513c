"""Rank 1 of a host, for tests: asks rank 0 for the scores of one image and waits for its own end.

    asking_rank.py SOCKET

It prints its process identifier once the request is sent.
"""

import base64
import json
import os
import socket
import sys

peer = socket.socket(socket.AF_UNIX)
peer.connect(sys.argv[1])
image = base64.b64encode(b"\x89PNG").decode()
request = {"protocol": 1, "id": "x", "samples": [{"prompt": "killed", "png": image, "metadata": {}}]}
peer.sendall(f"hello 1 {os.getpid()}\nask 1 1 x {json.dumps(request)}\n".encode())
print(os.getpid(), flush=True)
sys.stdin.read()
