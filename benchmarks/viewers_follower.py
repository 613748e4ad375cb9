"""One viewer that notes when each frame came: `viewers_follower.py URL`. Prints what it noted once the stream ends.

A note is three int64: the frame's own stamp, when it was here [ns since the epoch], and 1 where it was a full one.
"""

from __future__ import annotations

import json
import struct
import sys
import time
from array import array
from contextlib import suppress

from twind.viewers.follower.errors import ProtocolError
from twind.viewers.follower.websocket import Closed, WebSocket
from twind.viewers.protocol import SUBPROTOCOL
from twind.viewers.protocol.frames import FULL, HEADER

_ACKNOWLEDGE_S = 0.25


def main(url: str) -> None:
    connection = WebSocket(f"{url}/live", subprotocol=SUBPROTOCOL, timeout_s=120.0)
    connection.send('{"type":"hello","client":"benchmark","acknowledges":true}')
    notes = array("q")
    acknowledged_s = 0.0
    try:
        while True:
            message = connection.receive()
            if isinstance(message, str):
                if json.loads(message)["type"] == "end":
                    break
                continue
            here_ns, now_s = time.time_ns(), time.monotonic()
            with suppress(struct.error):
                _, flags, groups, _, sequence, _, stamp_ns = HEADER.unpack_from(message)
                if groups:  # the others only say that the daemon is there, and are acknowledged all the same
                    notes.extend((stamp_ns, here_ns, int(flags == FULL)))
                if flags == FULL or now_s - acknowledged_s > _ACKNOWLEDGE_S:
                    acknowledged_s = now_s
                    connection.send(json.dumps({"type": "ack", "sequence": sequence}))
    except (Closed, OSError, ProtocolError) as error:
        print(f"a follower ended early: {error!r}", file=sys.stderr)
    sys.stdout.buffer.write(notes.tobytes())


if __name__ == "__main__":
    main(sys.argv[1])
