"""`twind emulate eventhubs` as a process of its own: TLS, the blocking SDK, faults over HTTP, a clean end."""

from __future__ import annotations

import gc
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from azure.eventhub import EventData, EventHubProducerClient
from azure.eventhub.exceptions import EventHubError
from click.testing import CliRunner

from tests.eventhubs.certificates import certificate
from twind.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path


def ask(url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data=data), timeout=30) as answer:  # noqa: S310
        return json.load(answer)


@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
def test_the_emulator_runs_as_a_program_with_tls_takes_faults_over_http_and_ends_when_told(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    options = ["--hub", "cell:2:twin", "--port", "0", "--control", "0", "--key", "policy=secret", "--tls-cert", str(pem)]
    command = [sys.executable, "-m", "twind", "emulate", "eventhubs", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = dict(process.stdout.readline().strip().split(": ", 1) for _ in range(3))
            assert said["hubs"] == "cell"
            port = said["connection string"].partition(";")[0].rpartition(":")[2]
            with EventHubProducerClient.from_connection_string(
                "Endpoint=sb://floor.servicebus.windows.net;SharedAccessKeyName=policy;SharedAccessKey=secret;EntityPath=cell",
                custom_endpoint_address=f"sb://localhost:{port}",
                connection_verify=str(pem),
                retry_total=0,
            ) as client:
                client.send_event(EventData("a"), partition_id="1")
                assert ask(said["control"])["hubs"]["cell"]["1"]["end"] == 1
                ask(said["control"] + "faults", {"fault": "busy", "sends": 10})
                with pytest.raises(EventHubError, match="server-busy"):
                    client.send_event(EventData("b"), partition_id="1")
                assert ask(said["control"] + "faults", {"fault": "disconnect"})["affected"] >= 1
            for wrong in ({"fault": "flood"}, {"fault": "busy"}, {"fault": "steal", "hub": "gone", "partition": "0"}):
                with pytest.raises(urllib.error.HTTPError, match="400"):
                    ask(said["control"] + "faults", wrong)
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    # The blocking SDK leaves a TLS socket open when the peer has gone while it unwraps it: it goes here, not in a later test.
    gc.collect()


@pytest.mark.parametrize("wrong", [["--hub", "a:0"], ["--hub", "a:x"], ["--hub", ""], ["--key", "nothing"]])
def test_wrong_options_are_usage_errors(wrong: list[str]) -> None:
    assert CliRunner().invoke(main, ["emulate", "eventhubs", *wrong]).exit_code == 2


def test_a_certificate_that_is_none_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    done = CliRunner().invoke(main, ["emulate", "eventhubs", "--tls-cert", str(tmp_path / "no.pem")])
    assert done.exit_code == 1
    assert "cannot be used" in done.output
