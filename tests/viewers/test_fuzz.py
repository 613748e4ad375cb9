"""Both ends of a live stream against a peer that says anything: nothing comes of it but the protocol's own error."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.viewers.layers import layer_as_data
from twind.testing.loops import run
from twind.viewers.follower.client import Follower
from twind.viewers.follower.entities import Entities
from twind.viewers.follower.errors import ProtocolError, Refused
from twind.viewers.follower.frames import read_catalogue, read_frame, read_message
from twind.viewers.follower.usd_sink import UsdSink
from twind.viewers.protocol.messages import Subscription
from twind.viewers.protocol.selection import Selection
from twind.viewers.session import Ended, Session
from twind.viewers.state import NOTHING, LiveState, View

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.viewers.conftest import Streamed

CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["/a", "token", "f4", "quatf"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


class Nobody:
    """The connection of a follower whose messages a test hands over itself."""

    def send(self, text: str) -> None:
        assert json.loads(text)["type"] in ("ack", "resync", "hello", "subscribe")


@pytest.fixture(scope="module")
def recorded() -> tuple[dict[str, Any], list[bytes], list[Any]]:
    """The catalogue of a varied stage, the frames of twelve updates, and what the daemon's layer said after each."""
    from tests.viewers.conftest import Streamed, varied_stage

    cell = Streamed(varied_stage(robots=1))
    state = LiveState(cell.live.layout)
    cell.live.tell(state.take)
    view = View(state, Selection(cell.source, Subscription()), 1)
    document = json.loads(json.dumps(view.selection.catalogue(1, max_rate_hz=30.0)))
    frames, layers, base = [], [], NOTHING
    for step in range(12):
        cell.write(None if step % 4 == 0 else [step % 6])
        frames.append(view.since(base) or b"")
        layers.append(layer_as_data(cell.live.layer))
        base = state.seq
    cell.live.close()
    cell.telemetry.close()
    return document, frames, layers


@settings(deadline=None, max_examples=40, derandomize=True, suppress_health_check=CHECKS)
@given(st.data())
def test_a_follower_that_gets_frames_cut_doubled_or_out_of_order_never_shows_what_the_daemon_did_not(
    recorded: Any, data: Any
) -> None:
    document, frames, layers = recorded
    follower = Follower("http://nobody")
    follower._take_message(document)
    sink: UsdSink | None = None
    order = data.draw(st.lists(st.sampled_from(range(len(frames))), max_size=14) | st.just([*range(len(frames))]))
    for number in order:
        frame = frames[number]
        damage = data.draw(st.sampled_from(["none", "none", "none", "cut", "longer", "flip"]))
        if damage == "cut":
            frame = frame[: data.draw(st.integers(0, len(frame) - 1))]
        elif damage == "longer":
            frame += data.draw(st.binary(min_size=1, max_size=16))
        elif damage == "flip":
            place = data.draw(st.integers(0, 31))
            frame = frame[:place] + bytes([frame[place] ^ data.draw(st.integers(1, 255))]) + frame[place + 1 :]
        try:
            follower._take_frame(frame, Nobody())  # type: ignore[arg-type]
        except ProtocolError:
            continue  # in the thread this ends the connection, and the next one begins with a full frame
        catalogue, arrived = follower.take()
        if catalogue is not None:
            sink = UsdSink(catalogue)
        assert sink is not None
        if arrived:
            sink.apply(arrived)
        if damage == "flip":  # it may have become a frame of another number, which nobody can tell: and what follows on that
            return
        if arrived:
            assert layer_as_data(sink.layer) == layers[number]


@settings(deadline=None, max_examples=40, derandomize=True, suppress_health_check=CHECKS)
@given(st.data())
def test_a_sink_that_is_given_a_catalogue_with_anything_in_it_refuses_it_or_shows_frames_of_it(
    recorded: Any, data: Any
) -> None:
    document, frames, _ = recorded
    document = json.loads(json.dumps(document))
    groups, fixed, prims = document["groups"], document["fixed"], document["prims"]
    group = data.draw(st.sampled_from(groups))
    places = [document, group, data.draw(st.sampled_from(group["attributes"])), *fixed[:3], *prims[:3], document["entities"][0]]
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(places))
        name = data.draw(st.sampled_from(sorted(place)))
        place[name] = data.draw(JSON)
    shown, refusal = [], ""
    try:
        catalogue = read_catalogue(read_message(json.dumps(document)))
        entities = Entities(catalogue)
        sink = UsdSink(catalogue)
        for frame in frames[:3]:
            decoded = read_frame(frame, catalogue)
            sink.apply([decoded])
            entities.apply([decoded])
            sink.show_stale(stale=True)
            shown.append(sink.sequence)
    except (ProtocolError, Refused) as error:
        refusal = str(error)
    assert refusal or shown == [1, 2, 3]


class Talker:
    """A socket of which a session hears what it is told to hear, and then nothing any more."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts
        self.closed: int | None = None

    async def receive(self) -> str | None:
        await asyncio.sleep(0)
        return self._texts.pop(0) if self._texts else None

    async def send(self, message: str | bytes) -> None:
        await asyncio.sleep(0)
        if isinstance(message, str):
            assert json.loads(message)["type"] in ("catalogue", "stale", "end")

    async def close(self, code: int, reason: str) -> None:
        self.closed = code
        assert isinstance(reason, str)

    def abort(self) -> None:
        self.closed = 1006


MESSAGES = st.lists(
    st.sampled_from(
        [
            '{"type":"hello"}',
            '{"type":"hello","acknowledges":true,"resume":{"session":"x","sequence":-5}}',
            '{"type":"subscribe","entities":["robot_0"],"max_rate_hz":1e-300}',
            '{"type":"subscribe","prims":["/World"],"max_rate_hz":1e300}',
            '{"type":"ack","sequence":9223372036854775807}',
            '{"type":"ack","sequence":-1}',
            '{"type":"resync"}',
        ]
    )
    | st.text(max_size=40)
    | JSON.map(json.dumps),
    max_size=8,
)


def test_a_session_ends_with_a_reason_whatever_its_client_says(streamed: Callable[..., Streamed]) -> None:
    cell = streamed()

    async def main() -> None:
        hub = cell.hub()
        cell.write()
        await asyncio.sleep(0)

        async def one(texts: list[str]) -> None:
            talker = Talker(texts)
            end = await Session(hub, talker).run()
            assert isinstance(end, Ended)
            assert talker.closed == end.ending.code
            assert str(end)

        loop = asyncio.get_running_loop()

        @settings(deadline=None, max_examples=60, derandomize=True)
        @given(MESSAGES)
        def fuzz(texts: list[str]) -> None:
            asyncio.run_coroutine_threadsafe(one([*texts]), loop).result(60)

        await asyncio.to_thread(fuzz)
        assert not hub._views
        await hub.aclose()

    run(main())
