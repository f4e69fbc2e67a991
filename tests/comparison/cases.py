"""The corpus: which function is run, with which events, in which environment.

`tests/functions/<module>.py` holds functions; each that takes `(event, context)` is a case, `<module>.<function>`.
`tests/functions/cases.toml` says what is not the default, for a module (`[module]`) or one function
(`[module.function]`), and adds cases that are no function of a file (bad handlers, files that do not load). A case is
run once for each of its `settings`: sets of the same keys, with names.
"""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomllib

from tests.comparison.server import Event

FUNCTIONS = Path(__file__).parents[1] / "functions"
_PLAIN = "text"


@dataclass(frozen=True)
class Case:
    """One run of one function.

    `files` are written beside the module; a name that ends in `.sh` is made executable. `framed`: the process gets
    `_LAMBDA_TELEMETRY_LOG_FD`. `one_stream`: standard output and error are one pipe, as on Lambda. `answer_status`
    answers what the runtime posts for an invocation. `until` must be in the log before the waiting process is ended.
    `answers`: something must have been posted. The variable `AWS_LAMBDA_EXEC_WRAPPER` names a file in the task root;
    a variable that is "<unset>" is not there.
    """

    id: str
    module: str
    handler: str
    events: tuple[Event, ...] = (Event(),)
    environ: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    framed: bool = False
    one_stream: bool = False
    answer_status: int = 202
    until: bytes = b""
    answers: bool = True

    def write(self, task: Path) -> Path:
        """Put the case's files into the folder `task`."""
        for source in (FUNCTIONS / f"{self.module}.py", FUNCTIONS / self.module):
            if source.is_file():
                shutil.copy(source, task)
            elif source.is_dir():
                shutil.copytree(source, task, dirs_exist_ok=True)
        for name, text in self.files.items():
            file = task / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            if name.endswith(".sh"):
                file.chmod(0o755)
        return task


def load(folder: Path = FUNCTIONS) -> list[Case]:
    """All cases, in the order of their ids; raises KeyError or TypeError for a table that says what no case knows."""
    tables = tomllib.loads((folder / "cases.toml").read_text())
    settings = {_PLAIN: {}, **tables.pop("settings")}
    cases: list[Case] = []
    for module in sorted({*tables, *(file.stem for file in folder.glob("*.py"))}):
        table = tables.get(module, {})
        common = {name: value for name, value in table.items() if not _is_case(name, value)}
        special = {name: value for name, value in table.items() if _is_case(name, value)}
        for function in dict.fromkeys([*_functions_of(folder / f"{module}.py"), *special]):
            merged = _merge(common, special.get(function, {}))
            names = merged.pop("settings", [_PLAIN])
            cases += [_case(f"{module}.{function}", name, module, _merge(settings[name], merged)) for name in names]
    return cases


_TABLES = ("environ", "files")


def _is_case(name: str, value: object) -> bool:
    return isinstance(value, dict) and name not in _TABLES


def _functions_of(file: Path) -> Iterator[str]:
    if file.exists():
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef) and [word.arg for word in node.args.args] == ["event", "context"]:
                yield node.name


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**below, **above}
    for name in _TABLES:
        if name in below and name in above:
            merged[name] = {**below[name], **above[name]}
    return merged


def _case(name: str, setting: str, module: str, table: dict[str, Any]) -> Case:
    fields = {"handler": name, **table}
    if "events" in fields:
        fields["events"] = tuple(_event(event) for event in fields["events"])
    if "until" in fields:
        fields["until"] = fields["until"].encode()
    return Case(id=name if setting == _PLAIN else f"{name}[{setting}]", module=module, **fields)


def _event(event: str | dict[str, Any]) -> Event:
    """An event is its body, or a table: `body` or `hex`, and `headers`."""
    if isinstance(event, str):
        return Event(event.encode())
    body = bytes.fromhex(event["hex"]) if "hex" in event else event.get("body", "{}").encode()
    return Event(body, event.get("headers", {}))
