"""A template that speaks the protocol and little else: what its forks do is Python code in the variable CODE.

template.py SOCKET [describe|fork]      does not answer that
"""

import json
import os
import socket
import sys
from typing import Any


def serve(path: str, silent: str) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        line, descriptors, _, _ = socket.recv_fds(connection, 65536, 2)
        while not line.endswith(b"\n"):
            line += connection.recv(65536)
        request = json.loads(line)
        if request["do"] == silent:
            os.read(os.pipe()[0], 1)
        if request["do"] == "describe":
            answer(connection, {"pid": os.getpid(), "threads": ["poller"], "sockets": 1, "files": [__file__]})
        elif request["do"] != "fork":
            answer(connection, {"error": f"what is {request['do']}?"})
        elif os.fork() == 0:
            if os.fork() == 0:
                be(connection, request, descriptors)
            os._exit(0)
        else:
            os.wait()
        connection.close()
        for descriptor in descriptors:
            os.close(descriptor)


def be(connection: socket.socket, request: dict[str, Any], descriptors: list[int]) -> None:
    answer(connection, {"pid": os.getpid()})
    for name, value in request["environ"].items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    if "DIE" in os.environ:
        os._exit(9)
    if connection.recv(100) != b'{"do": "go"}\n':
        os._exit(0)
    os.setpgid(0, 0)
    os.chdir(request["cwd"])
    os.dup2(descriptors[0], 1)
    os.dup2(descriptors[0], 2)
    exec(os.environ["CODE"], {"descriptors": descriptors, "os": os, "sys": sys})
    sys.stdout.flush()
    os._exit(0)


def answer(connection: socket.socket, what: dict[str, object]) -> None:
    connection.sendall(json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    serve(sys.argv[1], "".join(sys.argv[2:]))
