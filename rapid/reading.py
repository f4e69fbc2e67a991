"""Reading settings from flags and environment variables, each checked and named in the error when it is no good."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rapid.options import OPTIONS

LONGEST = 86_400
"""Seconds: the most that any setting of a time takes."""


class SettingError(Exception):
    """A setting that cannot be used; the text names it, its value and what was expected."""


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address to listen on; `asked_by` names the setting that gave it."""

    host: str
    port: int
    asked_by: str

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Given:
    """A setting that is given: its name and its value."""

    name: str
    value: str

    def refuse(self, expected: str) -> SettingError:
        """The error that this value is not what was expected."""
        return SettingError(f"{self.name} is {self.value!r}: expected {expected}")


class Reader:
    """Reads settings from flags first, then environment variables; an empty value is as good as none.

    A setting is named by its flag, which brings its variables with it, or by a variable.
    """

    def __init__(self, flags: Mapping[str, str], environ: Mapping[str, str]) -> None:
        self._flags = flags
        self._environ = environ

    def find(self, *names: str) -> Given | None:
        """The first of these settings that is given."""
        for name in names:
            if name in self._flags:
                return Given(name, self._flags[name])
            variables = OPTIONS[name].variables if name in OPTIONS else (name,)
            for variable in variables:
                if self._environ.get(variable):
                    return Given(variable, self._environ[variable])
        return None

    def text(self, default: str, *names: str) -> str:
        """The first of these settings that is given, as it is."""
        given = self.find(*names)
        return given.value if given else default

    def whole(self, name: str, default: int | None, least: int, most: int, what: str = "") -> int | None:
        """A whole number from `least` to `most`.

        Args:
            name: the setting.
            default: where it is not given.
            least: the least that is taken.
            most: the most that is taken.
            what: the unit, for the error.

        Raises:
            SettingError: it is none.
        """
        given = self.find(name)
        if not given:
            return default
        if not re.fullmatch(r"[0-9]{1,9}", given.value) or not least <= int(given.value) <= most:
            raise given.refuse(f"a whole number{what} from {least} to {most}")
        return int(given.value)

    def seconds(self, name: str, default: float, most: float) -> float:
        """Seconds, 0 included, also fractions.

        Raises:
            SettingError: it is no such number.
        """
        given = self.find(name)
        if not given:
            return default
        seconds = decimal(given.value)
        if seconds is None or seconds > most:
            raise given.refuse(f"seconds, from 0 to {most:g}")
        return seconds

    def one_of(self, name: str, values: Mapping[str, str], default: str) -> str:
        """A setting with few values, in whatever case it is written: `values` has them in lower case.

        Raises:
            SettingError: it is none of them.
        """
        given = self.find(name)
        if not given:
            return default
        if given.value.lower() not in values:
            raise given.refuse(f"one of {', '.join(dict.fromkeys(values.values()))}")
        return values[given.value.lower()]

    def switch(self, name: str, default: bool) -> bool:
        """`on` or `off`.

        Raises:
            SettingError: it is neither.
        """
        return self.one_of(name, {"on": "on", "off": "off"}, "on" if default else "off") == "on"

    def folder(self, name: str) -> str | None:
        """The absolute path of a folder.

        Raises:
            SettingError: there is no such folder.
        """
        given = self.find(name)
        if not given:
            return None
        if not Path(given.value).is_dir():
            raise given.refuse("a folder that exists")
        return str(Path(given.value).resolve())


def decimal(text: str) -> float | None:
    """A plain decimal number that is not negative; None for anything else."""
    return float(text) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) else None


def parse_address(given: Given) -> Address:
    """`host:port`, `[v6]:port` or `:port` (every interface).

    Raises:
        SettingError: it is none of these.
    """
    match = re.fullmatch(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<host>[^:\[\]\s/]*)):(?P<port>.*)", given.value)
    if match is None:
        raise given.refuse("host:port, for example 127.0.0.1:8080")
    return Address(match["v6"] or match["host"] or "0.0.0.0", parse_port(given, match["port"]), given.name)


def parse_port(given: Given, text: str) -> int:
    """The port `text` of a setting.

    Raises:
        SettingError: it is none.
    """
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535:
        raise given.refuse("a port between 0 and 65535")
    return int(text)
