"""`omni.ext`."""


class IExt:
    def on_startup(self, ext_id: str) -> None:
        raise NotImplementedError

    def on_shutdown(self) -> None:
        raise NotImplementedError
