"""Where modules come from: the user's folders first for the user, the standard library alone for the runtime."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

_LIBRARY = os.path.dirname(os.__file__)
_LIBRARY_PATH = [entry for entry in sys.path if entry == _LIBRARY or entry.endswith("/lib-dynload")]
_shadowed: dict[str, ModuleType] = {}


def task_root(environ: Mapping[str, str]) -> str:
    """The folder of the function's code: `LAMBDA_TASK_ROOT` if there is such a folder, else the working directory.

    Lambda always sets the variable, also for images that keep their code elsewhere and say so with WORKDIR alone.
    """
    root = environ.get("LAMBDA_TASK_ROOT", "")
    return root if root and os.path.isdir(root) else os.getcwd()


def user_path(environ: Mapping[str, str], inherited: list[str]) -> list[str]:
    """The import path that user code sees: task root, `PYTHONPATH`, layers, then what the interpreter had."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    own = [entry for entry in environ.get("PYTHONPATH", "").split(":") if entry]
    layers = [f"/opt/python/lib/{version}/site-packages", "/opt/python"]
    return list(dict.fromkeys([task_root(environ), *own, *layers, *inherited]))


class LibraryOnly:
    """While it is entered, imports find the standard library and nothing else, whatever the user's files are called."""

    def __enter__(self) -> None:
        self._path = sys.path[:]
        self._shadows = {name: module for name, module in list(sys.modules.items()) if _is_shadow(name, module)}
        for name in self._shadows:
            del sys.modules[name]
        sys.path[:] = _LIBRARY_PATH  # of what the function has left on it there is no knowing

    def __exit__(self, *exception: object) -> None:
        sys.path[:] = self._path
        sys.modules.update(self._shadows)


def _is_shadow(name: str, module: ModuleType) -> bool:
    return name.partition(".")[0] in sys.stdlib_module_names and name != "__main__" and not _is_library(module)


def _is_library(module: ModuleType) -> bool:
    file = getattr(module, "__file__", None)  # builtin and frozen modules have none
    return file is None or is_of_library(file)


def is_of_library(file: str) -> bool:
    """Whether the file is one of the standard library's."""
    return file.startswith(_LIBRARY) and "-packages/" not in file


def loaded_library_module(name: str) -> ModuleType | None:
    """The standard library's module of that name, if anybody has imported it."""
    module = _shadowed.get(name) or sys.modules.get(name)
    return module if module is not None and _is_library(module) else None


def library_module(name: str) -> ModuleType:
    """The standard library's module of that name, also when the user has one of the same name."""
    from importlib import import_module

    module = loaded_library_module(name)
    if module is not None:
        return module
    with LibraryOnly():
        module = _shadowed[name] = import_module(name)
    return module
