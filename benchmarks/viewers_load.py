"""So many viewers in one process that take everything and look at nothing: `viewers_load.py URL COUNT`."""

from __future__ import annotations

import os
import selectors
import sys

from twind.viewers.follower.websocket import WebSocket
from twind.viewers.protocol import SUBPROTOCOL


def main(url: str, count: int) -> None:
    waiting = selectors.DefaultSelector()
    for _ in range(count):
        connection = WebSocket(f"{url}/live", subprotocol=SUBPROTOCOL)
        connection.send('{"type":"hello","client":"load"}')
        waiting.register(connection, selectors.EVENT_READ)
    buffer = bytearray(1 << 20)
    while waiting.get_map():
        for key, _ in waiting.select():
            if not os.readv(key.fd, [buffer]):
                waiting.unregister(key.fileobj)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
