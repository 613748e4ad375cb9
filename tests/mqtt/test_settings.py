"""Settings of an MQTT source are refused with a reason, or mean what they say."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from twind.config.docstrings import description
from twind_mqtt import adapter

ROUTES = [{"topic": "cell/{entity}/pose", "codec": "pose"}]


def settings(**given: Any) -> Any:
    return adapter.settings(**{"type": "mqtt", "url": "mqtt://broker", "routes": ROUTES} | given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"url": "tcp://broker"}, "must be mqtt://"),
        ({"url": "mqtt://"}, "must be mqtt://"),
        ({"url": "mqtt://broker:99999"}, "Port out of range"),
        ({"url": "mqtt://broker:0"}, "from 1 to 65535"),
        ({"url": "mqtt://me:secret@broker"}, "use `username` and `password`"),
        ({"url": "mqtt://broker/topic"}, "must end after the port"),
        ({"tls": {}}, "needs an mqtts:// url"),
        ({"url": "mqtts://broker", "tls": {"key": "k.pem"}}, "go together"),
        ({"protocol": "3.1.1", "password": "x"}, "without `username`"),
        ({"protocol": "3"}, "'5' or '3.1.1'"),
        ({"qos": 2}, "0 or 1"),
        ({"status_topic": "a/#"}, "without wildcards"),
        ({"status_topic": "a/{source}"}, "only placeholder"),
        ({"receive_maximum": 0}, "greater than or equal to 1"),
        ({"keepalive": 5}, "Extra inputs"),
        ({"routes": []}, "at least 1"),
    ],
)
def test_what_cannot_work_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(**given)
    assert words in str(caught.value)


def test_the_url_has_the_usual_ports() -> None:
    assert (settings().host, settings().port, settings().encrypted) == ("broker", 1883, False)
    encrypted = settings(url="mqtts://[::1]")
    assert (encrypted.host, encrypted.port, encrypted.encrypted) == ("::1", 8883, True)
    assert settings(url="mqtt://broker:2000").port == 2000


def test_the_client_id_is_stable_and_names_instance_and_source() -> None:
    assert settings().client_id_of("floor", instance="cell-7") == "twind-cell-7-floor"
    assert settings(client_id="mine").client_id_of("floor", instance="cell-7") == "mine"


def test_the_status_topic_names_the_instance() -> None:
    assert settings().status_topic_of(instance="cell-7") == "twind/cell-7/status"
    assert settings(status_topic=None).status_topic_of(instance="cell-7") is None


def test_only_qos_1_keeps_its_session_unless_told_otherwise() -> None:
    assert not settings(qos=1).starts_clean
    assert settings(qos=0).starts_clean
    assert settings(qos=1, clean_session=True).starts_clean
    assert adapter.acknowledges(settings(qos=1))
    assert not adapter.acknowledges(settings(qos=0))


def test_routes_become_subscriptions_each_once() -> None:
    routes = [*ROUTES, {"topic": "cell/{entity}/{what}", "codec": "pose"}, {"topic": "cell/{robot}/pose", "codec": "pose"}]
    assert settings(routes=routes).filters == ("cell/+/pose", "cell/+/+")


def test_the_password_shows_nowhere() -> None:
    given = settings(username="me", password="geheim", url="mqtts://b", tls={"key_password": "tief"})  # noqa: S106
    assert "geheim" not in repr(given) + str(given) + given.model_dump_json()
    assert "tief" not in repr(given) + str(given) + given.model_dump_json()


def test_every_setting_is_documented() -> None:
    for model in (adapter.settings, *(type(getattr(settings(), name)) for name in ("reconnect",))):
        for name in model.model_fields:
            assert description(model, name), name


def test_without_paho_the_import_says_which_module_is_missing() -> None:
    program = "import sys; sys.modules['paho'] = None\nimport twind_mqtt"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError" in done.stderr
    assert "paho" in done.stderr
