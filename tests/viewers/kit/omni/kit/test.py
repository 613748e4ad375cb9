"""`omni.kit.test`: unittest whose tests, `setUp` and `tearDown` are coroutines."""

from __future__ import annotations

import asyncio
import unittest
from typing import Any


class AsyncTestCase(unittest.TestCase):
    async def setUp(self) -> None:
        pass

    async def tearDown(self) -> None:
        pass

    def _callSetUp(self) -> None:
        self._runner = asyncio.Runner()
        self._runner.run(self.setUp())

    def _callTestMethod(self, method: Any) -> None:
        self._runner.run(method())

    def _callTearDown(self) -> None:
        self._runner.run(self.tearDown())
        self._runner.close()
