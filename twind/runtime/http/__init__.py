"""The one listener: probes, metrics, API, page and the stage's files. Knows the rest of the daemon only through `Views`."""

from twind.runtime.http.server import HttpServer
from twind.runtime.http.views import Views

__all__ = ["HttpServer", "Views"]
