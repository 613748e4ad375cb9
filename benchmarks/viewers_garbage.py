"""A client that sends garbage, ten connections a second until it is ended: `viewers_garbage.py URL`."""

from __future__ import annotations

import itertools
import random
import sys
import time
from contextlib import suppress

from twind.viewers.follower.errors import ProtocolError
from twind.viewers.follower.websocket import Closed, NotUpgraded, WebSocket
from twind.viewers.protocol import SUBPROTOCOL

_EVERY_S = 0.1


def main(url: str) -> None:
    rng = random.Random(1)  # noqa: S311
    for turn in itertools.count():
        due_s = time.monotonic() + _EVERY_S
        with suppress(OSError, ProtocolError, Closed, NotUpgraded):
            connection = WebSocket(f"{url}/live", subprotocol=SUBPROTOCOL, timeout_s=1.0)
            with suppress(OSError, ProtocolError, Closed):
                if turn % 3 == 0:  # what is no WebSocket frame
                    connection._socket.sendall(rng.randbytes(20_000))  # noqa: SLF001
                elif turn % 3 == 1:  # what is no message
                    connection.send(rng.randbytes(10_000).hex())
                else:  # more messages than anybody needs
                    for _ in range(50):
                        connection.send('{"type":"hello"}')
                while True:
                    connection.receive()
            connection.close()
        time.sleep(max(0.0, due_s - time.monotonic()))


if __name__ == "__main__":
    main(sys.argv[1])
