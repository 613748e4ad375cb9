"""Why a blob container cannot be used, in the words of the person who has to cure it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azure.core.exceptions import (
    ClientAuthenticationError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)

from twind.api import PermanentError, RetryableError

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError

    from twind.api import TwindError

PASSING = frozenset(("throttled", "unreachable", "server"))
"""What may be over with the next try."""
_THROTTLED, _ERROR = 429, 500
_UNAVAILABLE = 503
_SHOWN = 200


def kind_of(error: AzureError) -> str:
    """Return which of a few kinds a failure is."""
    code, status = str(getattr(error, "error_code", "") or "").lower(), getattr(error, "status_code", None) or 0
    rules = {
        "missing_container": code in {"containernotfound", "containerbeingdeleted", "containerdisabled"},
        "throttled": status in {_THROTTLED, _UNAVAILABLE} or code in {"serverbusy", "operationtimedout"},
        "missing_blob": isinstance(error, ResourceNotFoundError),
        "refused": isinstance(error, ClientAuthenticationError) or code.startswith("auth") or status in {401, 403},
        "condition": isinstance(error, ResourceModifiedError | ResourceExistsError),
        "unreachable": isinstance(error, ServiceRequestError | ServiceResponseError),
        "server": status >= _ERROR,
    }
    return next((kind for kind, applies in rules.items() if applies), "other")


def why(error: AzureError, where: str) -> TwindError:
    """Return what went wrong as an error of twind.

    Args:
        error: What the SDK raised.
        where: Account and container.
    """
    said = " ".join(str(getattr(error, "message", None) or error).split("\n")[0].split())[:_SHOWN]
    match kind_of(error):
        case "missing_container":
            return PermanentError(f"there is no blob container {where}: create it, or set `restart.hand_over.container`")
        case "refused":
            return PermanentError(
                f"the storage account refuses us at {where}: check `restart.hand_over.connection_string`, or the role Storage"
                f" Blob Data Contributor ({said})"
            )
        case "throttled":
            return RetryableError(f"the storage account is busy, or asks for more than it may serve at {where} ({said})")
        case "unreachable":
            return RetryableError(f"no answer from {where}: check the network and the address ({said})")
    return RetryableError(f"the blob container {where} cannot be used: {type(error).__name__}: {said}")
