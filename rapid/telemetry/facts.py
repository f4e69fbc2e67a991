"""What every record of an environment has in common."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from rapid import __version__


@dataclass(frozen=True, slots=True)
class Facts:
    """The function and the environment that records are about.

    Attributes:
        function_name: the function's name.
        function_version: `$LATEST` or a number.
        function_arn: the function's ARN, without a qualifier.
        instance_id: the environment's log stream name.
        memory_mb: the function's memory size, MB.
        initialization_type: `on-demand`, `provisioned-concurrency`, `snap-start` or `lambda-managed-instances`.
        runtime_version: e.g. `provided:rapid.v0.2.0`; AWS writes `provided:al2023.v93`, or `python:3.13.v14`.
        runtime_version_arn: `arn:aws:lambda:{region}::runtime:{64 hex digits}`, stable for a version.
    """

    function_name: str
    function_version: str
    function_arn: str
    instance_id: str
    memory_mb: int
    initialization_type: str
    runtime_version: str
    runtime_version_arn: str

    @property
    def shared(self) -> bool:
        """Whether invocations share the environment: then none has memory of its own, and none is billed by itself."""
        return self.initialization_type == "lambda-managed-instances"


def runtime_facts(region: str) -> tuple[str, str]:
    """Version and ARN of the runtime, in AWS's form for custom ones: whichever runtime it is, rapid provides for it."""
    version = f"provided:rapid.v{__version__}"
    return version, f"arn:aws:lambda:{region}::runtime:{hashlib.sha256(version.encode()).hexdigest()}"
