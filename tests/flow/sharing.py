"""Both ways in which daemons share their streams, for tests that hold for either: a folder, and a blob container (azurite)."""

from __future__ import annotations

import io
import itertools
from typing import TYPE_CHECKING, Protocol

import pytest
from azure.storage.blob import ContainerClient

from tests.eventhubs.azurite import azurite
from twind.flow.shared_folder import SharedFolder
from twind.flow.shared_streams import SharedStreams, SharingContext
from twind.telemetry import Telemetry
from twind_eventhubs.hand_over import BlobHandOverSettings, adapter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NUMBERS = itertools.count()


class Place(Protocol):
    """What daemons share."""

    def __call__(self, instance: str, generation: int = 1) -> SharedStreams:
        """Return one daemon's way into it."""

    def spoil(self, source: str, stream: str, name: str, data: bytes) -> None:
        """Put something else in the place of what was written, as nobody should."""


class InFolder:
    """A folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, instance: str, generation: int = 1) -> SharedStreams:
        return SharedFolder(self.root, instance=instance, generation=generation)

    def spoil(self, source: str, stream: str, name: str, data: bytes) -> None:
        (self("nobody").folder(source, stream) / name).write_bytes(data)


class InBlobs:
    """A container."""

    def __init__(self, connection_string: str, container: str, layers: Path) -> None:
        self.log = io.StringIO()
        self.telemetry = Telemetry(stream=self.log)
        self.settings = BlobHandOverSettings.model_validate(
            {"type": "blob", "container": container, "connection_string": connection_string}
        )
        self.layers = layers
        self._open: list[SharedStreams] = []

    def __call__(self, instance: str, generation: int = 1) -> SharedStreams:
        context = SharingContext(instance, generation, self.layers / instance, self.telemetry)
        self._open.append(adapter.open(self.settings, context))
        return self._open[-1]

    def container(self) -> ContainerClient:
        assert self.settings.connection_string is not None
        return ContainerClient.from_connection_string(
            self.settings.connection_string.get_secret_value(), self.settings.container
        )

    def spoil(self, source: str, stream: str, name: str, data: bytes) -> None:
        path = self("nobody").folder(source, stream).relative_to(self.layers / "nobody")
        with self.container() as container:
            blob = container.get_blob_client(f"{self.settings.prefix}{path.as_posix()}/{name}")
            blob.upload_blob(data, overwrite=True, metadata=blob.get_blob_properties().metadata)

    def close(self) -> None:
        for one in self._open:
            one.close()
        self.telemetry.close()


@pytest.fixture(scope="module")
def storage() -> Iterator[str]:
    """The connection string of an azurite."""
    with azurite() as connection_string:
        yield connection_string


@pytest.fixture
def blobs(storage: str, tmp_path: Path) -> Iterator[InBlobs]:
    """An empty container."""
    place = InBlobs(storage, f"sharing-{next(_NUMBERS)}", tmp_path / "layers")
    try:
        with place.container() as container:
            container.create_container()
        yield place
    finally:
        place.close()


@pytest.fixture(params=["folder", "blob"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each of them."""
    found: Place = InFolder(tmp_path / "shared") if request.param == "folder" else request.getfixturevalue("blobs")
    return found
