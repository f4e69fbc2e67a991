"""Names of functions: what a caller may write, and the ARN that the function is told.

Source: the service model of `Invoke` (`NamespacedFunctionName`, `NumericLatestPublishedOrAliasQualifier`, `TenantId`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_NAME = 64
MAX_ARN = 256
FUNCTION_NAME_PATTERN = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
    r"([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
QUALIFIER_PATTERN = r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"
TENANT_PATTERN = r"[a-zA-Z0-9\._:\/=+\-@ ]+"

_FUNCTION_NAME = re.compile(
    r"(?P<arn>arn:(?:aws[a-zA-Z-]*)?:lambda:)?"
    r"(?P<region>(?:eusc-)?[a-z]{2}(?:-gov|-iso[a-z]?)?-[a-z]+-\d:)?"
    r"(?P<account>\d{12}:)?(?P<literal>function:)?"
    r"(?P<name>[a-zA-Z0-9_.-]+)(?::(?P<qualifier>\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9_-]+))?",
    re.ASCII,
)
_QUALIFIER = re.compile(r"\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9$_-]+")
_TENANT = re.compile(r"[a-zA-Z0-9._:/=+\-@ ]+")


class InvalidName(Exception):
    """A name that AWS would not accept; the text is AWS's sentence."""


class UnknownFunction(Exception):
    """A well-formed name of a function or version that is not here; the text is AWS's sentence."""


def constraint(value: str, member: str, rule: str) -> str:
    """AWS's sentence for a parameter that breaks a rule of the service model."""
    return (
        f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must {rule}"
    )


@dataclass(frozen=True, slots=True)
class Function:
    """The one function that is served.

    Attributes:
        name: its name.
        named: the user gave it that name, so that others are not found; without, any valid name means this function.
        version: `$LATEST` or a number.
        region: for the ARN.
        account: for the ARN, 12 digits.
    """

    name: str
    named: bool
    version: str
    region: str
    account: str

    def arn(self, name: str | None = None, qualifier: str | None = None) -> str:
        """The ARN of a function of this account."""
        arn = f"arn:aws:lambda:{self.region}:{self.account}:function:{name or self.name}"
        return f"{arn}:{qualifier}" if qualifier else arn

    def resolve(self, written: str, qualifier: str | None) -> str:
        """The ARN that a caller invokes.

        Args:
            written: the path's `FunctionName`: a name, name:qualifier, partial or full ARN. The emulator's `function`
                always means the function served.
            qualifier: the `Qualifier` query parameter.

        Raises:
            InvalidName: it breaks the service model's rules.
            UnknownFunction: it is well-formed, but no function or version of that name is here.
        """
        match = _FUNCTION_NAME.fullmatch(written)
        if match is None:
            raise InvalidName(
                constraint(written, "functionName", f"satisfy regular expression pattern: {FUNCTION_NAME_PATTERN}")
            )
        name, in_name = match["name"], match["qualifier"]
        plain = not (match["arn"] or match["region"] or match["account"] or match["literal"])
        limit = MAX_NAME if plain else MAX_ARN
        if len(name if plain else written) > limit:
            raise InvalidName(constraint(written, "functionName", f"have length less than or equal to {limit}"))
        if plain and name == "function":
            name = self.name
        elif match["literal"] and self.named and name != self.name and written == f"function:{name}":
            name, in_name = self.name, name  # the emulator's name with a qualifier, not the end of an ARN
        chosen = self._qualifier(in_name, qualifier)
        full = bool(match["arn"] and match["region"] and match["account"])
        arn = written.removesuffix(f":{in_name}") if full else self.arn(name)
        arn = f"{arn}:{chosen}" if chosen else arn
        if (self.named and name != self.name) or (chosen and chosen.isdigit() and chosen != self.version):
            raise UnknownFunction(f"Function not found: {arn}")
        return arn

    def _qualifier(self, in_name: str | None, in_query: str | None) -> str | None:
        if in_query is not None and (len(in_query) > 128 or not _QUALIFIER.fullmatch(in_query)):
            raise InvalidName(
                constraint(in_query, "qualifier", f"satisfy regular expression pattern: {QUALIFIER_PATTERN}")
            )
        if in_name and in_query and in_name != in_query:
            raise InvalidName("The derived qualifier from the function name does not match the specified qualifier.")
        return in_name or in_query


def check_tenant(tenant_id: str) -> str:
    """The tenant id, if it is one.

    Raises:
        InvalidName: it is longer than 256 characters or has others than the service model allows.
    """
    if len(tenant_id) > 256 or not _TENANT.fullmatch(tenant_id):
        raise InvalidName(constraint(tenant_id, "tenantId", f"satisfy regular expression pattern: {TENANT_PATTERN}"))
    return tenant_id
