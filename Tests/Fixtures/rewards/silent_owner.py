"""Rank 0 of a host, for tests: accepts another rank and never answers.

    silent_owner.py SOCKET

It prints its process identifier once it listens.
"""

import os
import pathlib
import socket
import sys

path = pathlib.Path(sys.argv[1])
path.parent.mkdir(mode=0o700)
listener = socket.socket(socket.AF_UNIX)
listener.bind(str(path))
listener.listen()
print(os.getpid(), flush=True)
peer, _ = listener.accept()
path.unlink()
path.parent.rmdir()
peer.sendall(f"hello 0 {os.getpid()}\n".encode())
while peer.recv(1 << 16):
    pass
