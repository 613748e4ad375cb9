"""What becomes of an event in the log."""

from __future__ import annotations

import io
import json
import logging
import os
import threading
from dataclasses import dataclass

from twind.config.settings import LogSettings
from twind.telemetry import Telemetry
from twind.telemetry.events import Event, MessagesRefused, SourceConnected, SourceDisconnected
from twind.telemetry.limiter import RepeatLimiter
from twind.telemetry.lines import Line, as_console, as_json
from twind.telemetry.writer import LineWriter


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def refused(source: str = "floor", topic: str = "cell/arm/joint_state") -> MessagesRefused:
    return MessagesRefused(source=source, reason="oversize", count=2, topic=topic, example="9 bytes")


def records(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_becomes_one_json_line_with_its_name_and_its_fields() -> None:
    stream = io.StringIO()
    with Telemetry(stream=stream) as telemetry:
        telemetry.emit(SourceConnected(source="floor", address="127.0.0.1:1883", session_present=True))
    (record,) = records(stream)
    assert str(record.pop("ts")).endswith("Z")
    assert record == {
        "level": "info",
        "event": "source_connected",
        "source": "floor",
        "address": "127.0.0.1:1883",
        "session_present": True,
    }


def test_repeats_are_held_back_and_the_next_line_says_how_many() -> None:
    stream, clock = io.StringIO(), Clock()
    with Telemetry(LogSettings(repeat_s=10), stream=stream, clock=clock) as telemetry:
        for second in (0, 1, 2, 10):
            clock.now_s = second
            telemetry.emit(refused())
    assert [record.get("suppressed") for record in records(stream)] == [None, 2]


def test_sources_do_not_hold_back_each_others_lines() -> None:
    stream = io.StringIO()
    with Telemetry(stream=stream, clock=Clock()) as telemetry:
        telemetry.emit(refused("floor"))
        telemetry.emit(refused("hub"))
    assert [record["source"] for record in records(stream)] == ["floor", "hub"]


def test_what_was_held_back_is_written_at_the_end() -> None:
    stream = io.StringIO()
    with Telemetry(stream=stream, clock=Clock()) as telemetry:
        for _ in range(4):
            telemetry.emit(refused())
    assert [record.get("suppressed") for record in records(stream)] == [None, 2]


def test_events_below_the_level_are_counted_but_not_written() -> None:
    stream = io.StringIO()
    with Telemetry(LogSettings(level="error"), stream=stream) as telemetry:
        telemetry.emit(refused())
        labels = {"source": "floor", "reason": "oversize"}
        assert telemetry.registry.get_sample_value("twind_messages_refused_total", labels) == 2
    assert stream.getvalue() == ""


def test_the_limiter_remembers_a_bounded_number_of_keys() -> None:
    limiter = RepeatLimiter(10, clock=Clock(), max_keys=10)
    line = Line("info", "x", {}, 0)
    for key in range(1000):
        assert limiter.admit(key, line) == 0
    assert len(limiter) == 10


def test_text_from_outside_can_neither_forge_a_line_nor_make_it_long() -> None:
    hostile = Line("info", "x", {"topic": 'a\n{"level":"error"}\x1b[31m', "example": "y" * 100_000, "bad": "\udcff"}, 0)
    for encoded in (as_json(hostile), as_console(hostile, colour=True), as_console(hostile, colour=False)):
        assert encoded.count(b"\n") == 1
        assert len(encoded) < 3000
    assert b"\x1b" not in as_json(hostile) + as_console(hostile, colour=False)
    assert json.loads(as_json(hostile))["topic"] == hostile.fields["topic"]


def test_the_console_shows_short_pairs_and_leaves_out_what_is_empty() -> None:
    line = Line("warning", "source_disconnected", {"source": "floor", "reason": "no route to host", "detail": "", "s": 0.25}, 0)
    assert as_console(line, colour=False).decode().split(" ", 1)[1] == (
        'warning source_disconnected source=floor reason="no route to host" s=0.25\n'
    )


def test_a_full_pipe_stalls_nobody_and_the_loss_is_counted_and_told() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as read_end, os.fdopen(writer, "w") as write_end:
        lines = LineWriter(write_end, as_json, max_lines=100)
        line = Line("info", "x", {"text": "y" * 1000}, 0)
        for _ in range(1000):  # nobody reads: the pipe takes 64 KiB, the queue 100 lines, one batch is in the thread's hands
            lines.put(line)
        assert lines.dropped >= 1000 - 64 - 100 - 256
        assert not lines.flush(0.01)
        received: list[bytes] = []
        thread = threading.Thread(target=lambda: received.extend(read_end))
        thread.start()
        lines.put(line)
        lines.close(10)
        write_end.close()
        thread.join(10)
    texts = [json.loads(text) for text in received]
    told = sum(text["count"] for text in texts if text["event"] == "log_lines_dropped")
    assert told == lines.dropped
    assert len([text for text in texts if text["event"] == "x"]) == 1001 - lines.dropped


def test_a_broken_stream_hurts_nobody() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as write_end:
        lines = LineWriter(write_end, as_json)
        lines.put(Line("info", "x", {}, 0))
        assert lines.flush(10)
        lines.close(10)
    assert lines.dropped == 1
    assert "closed" in repr(lines)


def test_libraries_logs_join_ours_and_the_root_logger_is_given_back() -> None:
    stream, root = io.StringIO(), logging.getLogger()
    before = root.handlers[:], root.level
    with Telemetry(stream=stream) as telemetry:
        for number in range(3):
            logging.getLogger("paho").warning("lost %d", number)
        logging.getLogger("paho").info("chatter")
        try:
            raise ValueError("broken")  # noqa: EM101, TRY301
        except ValueError:
            logging.getLogger("aiohttp").exception("failed")
        assert telemetry.flush()
    assert (root.handlers[:], root.level) == before
    lost, failed, held = records(stream)
    assert (lost["logger"], lost["level"], lost["message"]) == ("paho", "warning", "lost 0")
    assert "ValueError: broken" in str(failed["error"])
    assert (held["message"], held["suppressed"]) == ("lost 2", 1)


def test_a_log_call_that_cannot_be_formatted_costs_that_line_only() -> None:
    raising, logging.raiseExceptions = logging.raiseExceptions, False
    stream = io.StringIO()
    try:
        with Telemetry(stream=stream):
            logging.getLogger("library").warning("%d", "no number")
            logging.getLogger("library").error("%d", 7)
    finally:
        logging.raiseExceptions = raising
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["message"] == "7"


def test_lifecycle_events_are_never_held_back() -> None:
    @dataclass(frozen=True, slots=True)
    class Milestone(Event):
        limited = False

    stream = io.StringIO()
    with Telemetry(stream=stream, clock=Clock()) as telemetry:
        for _ in range(3):
            telemetry.emit(Milestone())
    assert [record["event"] for record in records(stream)] == ["milestone"] * 3


def test_a_flapping_source_is_written_once_per_interval_and_counted_every_time() -> None:
    stream, clock = io.StringIO(), Clock()
    with Telemetry(stream=stream, clock=clock) as telemetry:
        for _ in range(100):
            telemetry.emit(SourceDisconnected(source="floor", address="b:1883", reason="refused"))
            clock.now_s += 0.5
        assert telemetry.registry.get_sample_value("twind_source_disconnects_total", {"source": "floor"}) == 100
    assert len(records(stream)) == 6  # at 0, 10, 20, 30 and 40 s, and at the end
