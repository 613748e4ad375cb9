"""Why msgspec would not decode a JSON payload, in twind's bounded reasons."""

from __future__ import annotations

import re

import msgspec

from twind.model.errors import RefusedInput
from twind.model.refusals import Refusal

JSON_FAULTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Everything that `msgspec.json.Decoder.decode` raises for bytes that are not what it expects."""

_NOT_FINITE = re.compile(rb"(?<=[\[:,\s])-?(?:NaN|Infinity|nan|inf)\b")


def with_nulls(payload: bytes) -> bytes:
    """Return a payload with `null` in the place of what stands for numbers that are none; JSON has no others."""
    return _NOT_FINITE.sub(b"null", payload)


def refusal_for(payload: bytes, error: Exception) -> RefusedInput:
    """Name the reason that a payload failed to decode for."""
    text = str(error)
    if isinstance(error, msgspec.ValidationError):
        if text.startswith("Object missing required field"):
            return RefusedInput(Refusal.MISSING_FIELD, text)
        if "out of range" in text:
            return RefusedInput(Refusal.NOT_FINITE, text)
        return RefusedInput(Refusal.WRONG_TYPE, text)
    if "out of range" in text or _NOT_FINITE.search(payload):
        # Python's own json.dumps writes NaN and Infinity, which JSON does not have: say what is wrong, not "malformed".
        return RefusedInput(Refusal.NOT_FINITE, "the JSON holds NaN, Infinity or a number that float64 cannot")
    return RefusedInput(Refusal.UNDECODABLE, f"not JSON: {text}")
