"""What is said of a storage account in settings."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from pydantic import AfterValidator

from twind.api import Secret


def _checked(value: Secret) -> Secret:
    """Refuse what the SDK would only refuse when it connects; never quotes it."""
    pairs = [piece.partition("=") for piece in value.get_secret_value().strip().strip(";").split(";")]
    found = {name.strip().lower(): text for name, _, text in pairs}
    if not all(equals for _, equals, _ in pairs) or not ({"accountname", "blobendpoint", "usedevelopmentstorage"} & set(found)):
        msg = "is no connection string of a storage account: it begins like DefaultEndpointsProtocol=https;AccountName=..."
        raise ValueError(msg)
    try:
        base64.b64decode(found.get("accountkey", ""), validate=True)
    except binascii.Error:
        msg = "holds an AccountKey that is not base64: copy the whole string again"
        raise ValueError(msg) from None
    return value


StorageConnectionString = Annotated[Secret, AfterValidator(_checked)]
"""With a key, or a shared access signature."""
