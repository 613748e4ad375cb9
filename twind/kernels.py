"""How kernels are compiled and kept on disk; the rooms that hold kernels say what they do beyond that.

Kernels allocate nothing, and `_nrt` off makes sure of it: numba refuses one that would. It also leaves out the counting of
references, atomic operations for every slice, which were four tenths of a pose update. `nogil` keeps the event loop alive
while a batch runs in a thread; `error_model="numpy"` turns division by zero into inf and NaN, which the verdicts catch, instead
of a raise. Of `fastmath` only `contract` is used (multiply and add in one instruction): the rest would compile those checks
away. `parallel` aborts the process when two threads enter: it is not used.
"""

from __future__ import annotations

import fcntl
import inspect
import os
import time
from contextlib import contextmanager, suppress
from functools import cache, cached_property
from itertools import count
from pathlib import Path
from stat import S_IMODE, S_IWOTH
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from llvmlite import binding as llvm
from numba.core import entrypoints
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, NullCache
from numba.core.typing.typeof import typeof_impl
from numba.np.numpy_support import from_dtype, map_layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

entrypoints._already_initialized = True  # noqa: SLF001  (extensions are looked for in all that is installed; kernels need none)


_PATIENCE_S = 10.0
"""For another process that writes a kernel, which takes milliseconds: one that was stopped meanwhile holds nobody up."""


class _MachineCode(NullCache):
    """The machine code of one function on disk, looked for without what only a compiler needs.

    Numba imports its whole library of functions before it looks for a kernel on disk, and `scipy.linalg` with it where that is
    installed: a third of a second, for nothing, as machine code is complete. A kernel that is not on disk is compiled, and the
    compiler imports the library by itself. Numba also looks for a place of each function when it is defined; here only those
    that are called or compiled need one.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    @cached_property
    def _place(self) -> _Place | None:
        try:
            place = _Place(self._function)
            mistrusted = mistrust(Path(place.cache_path), makers={os.stat(self._function.__code__.co_filename).st_uid})  # noqa: PTH116
        except (RuntimeError, OSError):  # "no locator available": neither the package folder nor NUMBA_CACHE_DIR is writable
            return None
        return None if mistrusted else place

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the kernel for a signature, None where it is not there."""
        return None if self._place is None else self._place.load_overload(sig, target_context)

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the kernel for a signature, where there is a place."""
        if self._place is not None:
            self._place.save_overload(sig, data)

    @property
    def missing(self) -> bool:
        """Whether there is a place for the kernel, and nothing current in it."""
        return self._place is not None and not self._place.kept


class _Parts(CompileResultCacheImpl):
    """What is kept of a kernel: its machine code, and bitcode for kernels that inline it.

    Numba parses the bitcode of each kernel that it loads, half the time that loading takes, although a kernel that is only
    called needs none. Here that waits until another kernel, which is not on disk, is compiled with this one in it.
    """

    def rebuild(self, target_context: Any, payload: Any) -> Any:
        """Return the kernel of what was on disk."""
        (name, kind, data), described, *rest = payload
        if kind != "object":
            return super().rebuild(target_context, payload)
        machine_code, bitcode = data
        engine = target_context.codegen()._engine  # noqa: SLF001
        engine._defined_symbols |= {  # noqa: SLF001  (otherwise numba reads them in the bitcode)
            described.llvm_func_name, described.llvm_cpython_wrapper_name, described.llvm_cfunc_wrapper_name,
        }  # fmt: skip
        kernel = super().rebuild(target_context, ((name, kind, (machine_code, _no_bitcode())), described, *rest))

        @cache
        def parsed() -> Any:
            module = llvm.parse_bitcode(bitcode)
            engine._load_defined_symbols(module)  # noqa: SLF001
            return module

        kernel.library._get_module_for_linking = parsed  # noqa: SLF001
        return kernel


@cache
def _no_bitcode() -> bytes:
    return bytes(llvm.parse_assembly("").as_bitcode())


class _Files(IndexDataCacheFile):
    """The files of one function: an index, and one with machine code for each signature.

    After a power cut numba's files may be empty, and a kill may come between two of them. What cannot be read is as good as
    none; and here no index ever names a file that is of other code: numba writes the index first, with the names of old files.
    """

    def _load_index(self) -> dict[Any, str]:
        try:
            return dict(super()._load_index())
        except Exception:  # noqa: BLE001  (whatever `pickle` makes of a damaged file)
            return {}

    def save(self, key: Any, data: Any) -> None:
        names = self._load_index()
        if not names:
            self.flush()  # an older index may name the file that is written now
        taken = set(names.values())
        name = names.get(key) or next(each for each in map(self._data_name, count(1)) if each not in taken)
        self._save_data(name, data)
        self._save_index({**names, key: name})


class _Place(FunctionCache):
    """Where numba keeps one function; looks for a kernel without the library.

    Numba takes a kernel for current as long as its own file is: not so when a function of another file changed that it calls,
    or the layout of a record. Such a kernel writes where nothing is any more. So here a kernel is as old as its whole room.
    """

    _impl_class = _Parts

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        age = _age_of_room(Path(function.__code__.co_filename).parent)
        self._cache_file = _Files(cache_path=self.cache_path, filename_base=self._impl.filename_base, source_stamp=age)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return self._load_overload(sig, target_context)
        except Exception:  # noqa: BLE001  (a damaged file, or another user's: the kernel is compiled, and the file replaced)
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        # An index is read, extended and written: of two processes at once, one may find its code under the other's signature.
        # On a full disk, or where somebody holds the folder for long, the kernel works without being kept.
        with suppress(OSError), _alone(Path(self.cache_path)):
            super().save_overload(sig, data)

    @property
    def kept(self) -> bool:
        """Whether there is machine code of today's function, for whatever signature."""
        return bool(self._cache_file._load_index())  # noqa: SLF001


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time write into a folder, where its file system can tell; it is made where it is not there yet.

    Raises:
        OSError: The folder cannot be had; `TimeoutError` where another process has it for too long.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    until = time.monotonic() + _PATIENCE_S
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise TimeoutError from None
                time.sleep(0.01)
            except OSError:  # no locks on some network file systems
                break
            else:
                break
        yield
    finally:
        os.close(handle)


def mistrust(folder: Path, *, makers: set[int]) -> str | None:
    """Say why kernels in a folder may be somebody else's, who could run any code by them; None where they cannot.

    Args:
        folder: Is there.
        makers: Users who are trusted beside this one and root: who may write the source may write what is compiled of it.

    Raises:
        OSError: It cannot be looked at.
    """
    status, user = folder.stat(), os.geteuid()
    if status.st_uid not in {user, 0, *makers}:
        return f"the folder '{folder}' belongs to another user"
    if status.st_mode & S_IWOTH:
        if status.st_uid != user or any(folder.iterdir()):
            return f"everybody may write to the folder '{folder}'"
        folder.chmod(S_IMODE(status.st_mode) & ~S_IWOTH)  # just made, by a process that leaves everything open
    return None


@cache
def _age_of_room(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return name, time of change [ns] and size of every module that the kernels of a room can be made of."""
    found = [(module.name, module.stat()) for module in (*sorted(folder.glob("*.py")), Path(__file__))]
    return tuple((name, status.st_mtime_ns, status.st_size) for name, status in found)


def is_missing(kernel: Any) -> bool:
    """Whether a kernel would be kept on disk, but is not there: its first call compiles it."""
    return bool(kernel._cache.missing)  # noqa: SLF001


@typeof_impl.register(np.ndarray)
def _type_of(array: Any, _: Any) -> Any:
    """Return numba's type of an array, as numba does, but of each layout once.

    Numba asks for all arguments of the first call of each kernel, makes the type of a record anew each time, and imports
    `numpy.ma` to refuse what kernels are never given: more than half of what a kernel from the disk takes until it runs.
    """
    dtype = array.dtype  # two that differ in being aligned alone are equal
    return _array_type(dtype, dtype.isalignedstruct, array.ndim, map_layout(array), readonly=not array.flags.writeable)


@cache
def _array_type(dtype: Any, _aligned: bool, dimensions: int, layout: Any, *, readonly: bool) -> Any:  # noqa: FBT001  (a key)
    return numba.types.Array(from_dtype(dtype), dimensions, layout, readonly=readonly)


def compile_kernel(function: Callable[..., Any], **more: Any) -> Any:
    """Compile a function on first call, kept on disk where there is a place for it; `more` are options of numba."""
    # Numba asks for it twice, which is a third of the time that a kernel takes to be defined.
    function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    options: dict[str, Any] = {"_nrt": False, "nogil": True, "error_model": "numpy", "fastmath": {"contract"}, **more}
    compiled: Any = numba.njit(**options)(function)
    compiled._cache = _MachineCode(function)  # noqa: SLF001  (as `cache=True` does, with numba's own)
    return compiled
