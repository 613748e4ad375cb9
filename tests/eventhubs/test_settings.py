"""What can be configured about an Event Hubs source, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from twind.config.registry import Registry
from twind_eventhubs.hand_over import BlobHandOverSettings
from twind_eventhubs.settings import CheckpointSettings, EventHubsSettings

_KEY = "c2VjcmV0"
_CONNECTION = f"Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=policy;SharedAccessKey={_KEY};EntityPath=cell"

_STORAGE = f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={_KEY};EndpointSuffix=core.windows.net"


def made(**options: Any) -> EventHubsSettings:
    options.setdefault("routes", [{"topic": "{entity}", "codec": "joint_state"}])
    return EventHubsSettings.model_validate({"type": "eventhubs", **options})


def test_a_connection_string_names_hub_and_address_and_never_shows_its_key() -> None:
    settings = made(connection_string=_CONNECTION)
    assert (settings.hub, settings.address, settings.policy) == ("cell", "sb://ns.servicebus.windows.net/cell", "policy")
    assert _KEY not in repr(settings)


def test_a_namespace_may_be_short() -> None:
    assert made(namespace="plant", event_hub="cell").address == "sb://plant.servicebus.windows.net/cell"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "give `connection_string` or `namespace`"),
        ({"connection_string": _CONNECTION, "namespace": "x"}, "give `connection_string` or `namespace`"),
        ({"namespace": "x"}, "`event_hub` is missing"),
        (
            {"connection_string": f"HostName=h.azure-devices.net;SharedAccessKeyName=p;SharedAccessKey={_KEY}"},
            "Built-in endpoints",
        ),
        ({"connection_string": "Endpoint=sb://ns/;EntityPath=cell"}, "needs SharedAccessKeyName"),
        ({"connection_string": _CONNECTION, "checkpoints": {}}, "either `container`"),
        ({"connection_string": _CONNECTION, "checkpoints": {"container": "abc"}}, "goes with"),
        ({"connection_string": _CONNECTION, "ownership_s": 5, "balance_s": 4}, "twice `balance_s`"),
        ({"connection_string": _CONNECTION, "topics": ["{device}"]}, "no placeholder {device}"),
        ({"connection_string": _CONNECTION, "topics": ["{device_id"]}, "a brace has no partner"),
        ({"connection_string": _CONNECTION, "start": "yesterday"}, "start"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_cure(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        made(**options)
    messages = " ".join(f"{error['loc']} {error['msg']}" for error in refused.value.errors())
    assert said in messages
    assert _KEY not in messages


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "give `connection_string` or `account_url`"),
        ({"account_url": "https://a", "connection_string": _STORAGE}, "give `connection_string` or `account_url`"),
        ({"connection_string": _STORAGE, "client_id": "c"}, "`client_id` goes with `account_url`"),
        ({"account_url": "https://a", "prefix": "no-slash"}, "prefix"),
    ],
)
def test_a_container_for_hand_overs_names_one_account(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        BlobHandOverSettings.model_validate({"type": "blob", "container": "twind", **options})


def test_a_container_for_hand_overs_is_found_by_its_name_and_never_shows_its_key() -> None:
    assert Registry.installed().hand_overs.load("blob").settings is BlobHandOverSettings
    settings = BlobHandOverSettings.model_validate({"type": "blob", "container": "twind", "connection_string": _STORAGE})
    assert _KEY not in repr(settings)


@pytest.mark.parametrize("where", ["checkpoints", "hand_over"])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("SECRET", "is no connection string of a storage account"),
        ("AccountKey=U0VDUkVU", "is no connection string of a storage account"),
        ("DefaultEndpointsProtocol=https;AccountName=a;AccountKey=SECRET!", "an AccountKey that is not base64"),
    ],
)
def test_a_storage_account_that_cannot_be_meant_is_told_without_quoting_it(where: str, given: str, said: str) -> None:
    store = {"container": "twind", "connection_string": given}
    model, options = (
        (CheckpointSettings, store) if where == "checkpoints" else (BlobHandOverSettings, {"type": "blob", **store})
    )
    with pytest.raises(ValidationError, match=said) as refused:
        model.model_validate(options)
    assert all("SECRET" not in error["msg"] for error in refused.value.errors())


def test_a_storage_account_is_named_by_a_key_or_a_signature() -> None:
    for given in (_STORAGE, f"BlobEndpoint=https://a.blob.core.windows.net/;SharedAccessSignature=sv=2022&sig={_KEY}%3D;"):
        settings = BlobHandOverSettings.model_validate({"type": "blob", "container": "twind", "connection_string": given})
        assert settings.connection_string is not None
        assert settings.connection_string.get_secret_value() == given
        assert _KEY not in repr(settings)
