from __future__ import annotations

from pathlib import Path  # noqa: TC003  (pydantic reads the annotations)
from typing import TYPE_CHECKING, Literal

import pytest
from pydantic import Field, field_validator

from twind.config.base import Secret, SourceSettings
from twind.config.load import load
from twind.config.registry import Present, Registry
from twind.model.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from twind.config.load import Loaded


class FakeSettings(SourceSettings):
    """A source for tests."""

    type: Literal["fake"]
    """Name of the adapter."""
    url: str = "fake://floor"
    """Where it is."""
    port: int = Field(default=1883, gt=0)
    """TCP port."""
    qos: Literal[0, 1] = 1
    """Delivery."""
    clean: bool = False
    """Forget."""
    password: Secret | None = None
    """Secret."""
    ca: Path | None = None
    """Certificates."""

    @field_validator("url")
    @classmethod
    def _has_scheme(cls, value: str) -> str:
        if not value.startswith("fake://"):
            msg = f"must begin with fake://, which {value!r} does not"
            raise ValueError(msg)
        return value


class FakeAdapter:
    settings = FakeSettings


class Joints:
    kind = "joints"


class Poses:
    kind = "pose"


@pytest.fixture(scope="session")
def registry() -> Registry:
    return Registry(sources={"fake": Present(FakeAdapter())}, codecs={"joint_state": Present(Joints), "pose": Present(Poses)})


@pytest.fixture(name="load_texts")
def _load_texts(tmp_path: Path, registry: Registry) -> Callable[..., Loaded]:
    """Load configuration files `0.yaml`, `1.yaml` ... with the given texts."""

    def load_texts(*texts: str, environment: dict[str, str] | None = None) -> Loaded:
        paths = [tmp_path / f"{index}.yaml" for index in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text)
        return load(paths, registry, environment=environment or {})

    return load_texts


@pytest.fixture
def complaints(load_texts: Callable[..., Loaded], tmp_path: Path) -> Callable[..., list[str]]:
    """Return the problems of configuration files, without the folder in front."""

    def complaints(*texts: str, environment: dict[str, str] | None = None) -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            load_texts(*texts, environment=environment)
        return [str(problem).removeprefix(f"{tmp_path}/") for problem in caught.value.problems]

    return complaints
