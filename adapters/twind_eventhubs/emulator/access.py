"""What one connection can reach: addresses to the nodes behind them, with the rights that its tokens give."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from twind_eventhubs.emulator import management, selector
from twind_eventhubs.emulator.amqp import performatives as p
from twind_eventhubs.emulator.amqp.errors import AmqpError
from twind_eventhubs.emulator.cbs import Grants
from twind_eventhubs.emulator.publishing import PublisherInlet
from twind_eventhubs.emulator.reading import PartitionOutlet
from twind_eventhubs.emulator.requests import RequestInlet, RequestNode

if TYPE_CHECKING:
    from twind_eventhubs.emulator.amqp.endpoints import Inlet, Link, Outlet
    from twind_eventhubs.emulator.amqp.messages import Request
    from twind_eventhubs.emulator.amqp.values import Described
    from twind_eventhubs.emulator.hub import Hub
    from twind_eventhubs.emulator.namespace import Namespace

CBS = "$cbs"
MANAGEMENT = "$management"
_SENDER = re.compile(r"(?P<hub>[^/]+)(?:/Partitions/(?P<partition>[^/]+))?", re.IGNORECASE)
_RECEIVER = re.compile(r"(?P<hub>[^/]+)/ConsumerGroups/(?P<group>[^/]+)/Partitions/(?P<partition>[^/]+)", re.IGNORECASE)
_EPOCH = "com.microsoft:epoch"
_METRICS = "com.microsoft:enable-receiver-runtime-metric"
_FILTER_FIELD = 7
"""Index of the filters in a source (part 3, 3.5.3)."""


class Access:
    """The container of one connection.

    Args:
        namespace: What there is to reach.
    """

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        self.faults = namespace.faults
        self.throughput = namespace.throughput
        self.grants = Grants(namespace.rules, now_s=namespace.now_s)
        self._nodes = {CBS: RequestNode(self.grants.answer), MANAGEMENT: RequestNode(self._manage)}

    def log_in(self, user: str, password: str) -> None:
        """Check name and key of a rule.

        Raises:
            AmqpError: They are wrong.
        """
        self.grants.log_in(user, password)

    def inlet(self, attach: p.Attach, link: Link) -> Inlet:
        """Return what a sender leads to.

        Raises:
            AmqpError: It is not there, or the peer may not.
        """
        del link
        address = _address(attach.target)
        if address.lower() in self._nodes:
            return RequestInlet(self._nodes[address.lower()])
        match = _SENDER.fullmatch(address)
        if match is None:
            raise _not_found(address)
        self.grants.require(address, send=True)
        hub = self._namespace.hub(match["hub"])
        if match["partition"] is not None:
            hub.partition(match["partition"])
        return PublisherInlet(self, hub, address=address, partition=match["partition"])

    def outlet(self, attach: p.Attach, link: Link) -> Outlet:
        """Return what a receiver leads to.

        Raises:
            AmqpError: It is not there, the peer may not, or somebody else has a better right to it.
        """
        address = _address(attach.source)
        if address.lower() in self._nodes:
            return self._nodes[address.lower()].outlet(_address(attach.target), link)
        match = _RECEIVER.fullmatch(address)
        if match is None:
            raise _not_found(address)
        self.grants.require(address, listen=True)
        self.faults.before_reading()
        epoch = (attach.properties or {}).get(_EPOCH)
        if epoch is not None and (not isinstance(epoch, int) or epoch < 0):
            raise AmqpError("com.microsoft:argument-error", "an epoch that is no number from 0")
        return PartitionOutlet(
            self,
            self._namespace.hub(match["hub"]),
            address=address,
            group=match["group"],
            partition=match["partition"],
            position=selector.position_of(p.terminus_field(attach.source, _FILTER_FIELD)),
            epoch=epoch,
            metrics=_METRICS in _symbols(attach.desired_capabilities),
            link=link,
        )

    def _manage(self, request: Request) -> bytes:
        return management.answer(request, find=self._hub_to_know)

    def _hub_to_know(self, name: str) -> Hub:
        self.grants.require(name)
        return self._namespace.hub(name)


def _symbols(symbols: p.Symbols) -> tuple[object, ...]:
    if symbols is None:
        return ()
    return (symbols,) if isinstance(symbols, str) else symbols.items


def _address(terminus: Described | None) -> str:
    address = p.terminus_field(terminus, 0)
    if not isinstance(address, str):
        raise AmqpError("amqp:invalid-field", "a link without an address")
    # Some SDKs give the whole URI.
    return re.sub(r"^[a-z]+://[^/]*", "", address).strip("/")


def _not_found(address: str) -> AmqpError:
    return AmqpError("amqp:not-found", f"the messaging entity {address:.200} could not be found")
