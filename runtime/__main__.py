"""The program that `bootstrap` starts, by path: `python …/runtime/__main__.py`.

It is compiled anew at every start (a script has no cached bytecode), so it does only what must come first: while the
runtime's own modules load, the import path is the standard library alone, so that no file of the user can take the
place of one that the runtime needs; and the runtime's modules live in a package of a private name, so that they take no
name from the user.
"""

import os
import sys

PACKAGE = "_lambda_runtime"


def main() -> None:
    """Start the runtime with the handler named by the first argument, else by `_HANDLER`; returns never."""
    global __package__
    inherited = sys.path[:]
    if not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
        del inherited[0]  # this folder: the interpreter put it there because it holds the script
    library = os.path.dirname(os.__file__)
    sys.path[:] = [entry for entry in inherited if entry == library or entry.endswith("/lib-dynload")]
    package = type(sys)(PACKAGE)
    package.__path__ = [os.path.dirname(os.path.abspath(__file__))]
    sys.modules[PACKAGE] = package
    __package__ = PACKAGE
    from .start import start

    start(sys.argv[1:], inherited)


if __name__ == "__main__":
    main()
