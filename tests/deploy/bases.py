"""The kustomize bases of `deploy/`, resolved: a few lines of what kustomize does, for what the bases use of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from tests.support.program import ROOT

DEPLOY = ROOT / "deploy"
SCHEMAS = Path(__file__).parent / "schemas"
BASES = ("kubernetes", "knative", "keda/prometheus", "keda/http")

Resource = dict[str, Any]


@cache
def schema(name: str) -> Draft202012Validator:
    """One of the schemas beside this module."""
    document = yaml.safe_load((SCHEMAS / f"{name}.yaml").read_text())
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


def resources(base: str) -> list[Resource]:
    """All that `kubectl apply --kustomize` would apply."""
    return list(_resolved(DEPLOY / base))


def _resolved(folder: Path) -> list[Resource]:
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    schema("kustomization").validate(kustomization)
    found: list[Resource] = []
    for name in kustomization["resources"]:
        path = folder / name
        found += _resolved(path) if path.is_dir() else yaml.safe_load_all(path.read_text())
    for each in kustomization.get("patches", []):
        patch = yaml.safe_load(each["patch"])
        assert patch.pop("$patch") == "delete", "the only patch that is used"
        (gone,) = [resource for resource in found if _identity(resource) == _identity(patch)]
        found.remove(gone)
    for image in kustomization.get("images", []):
        for container in (container for resource in found for container in containers(resource)):
            if container["image"] == image["name"]:
                container["image"] = f"{image['newName']}:{image['newTag']}"
    return found


def _identity(resource: Resource) -> tuple[str, str, str]:
    return resource["apiVersion"], resource["kind"], resource["metadata"]["name"]


def pod(resource: Resource) -> Resource | None:
    """The pod's spec inside a workload."""
    found = resource.get("spec", {}).get("template", {}).get("spec")
    return found if isinstance(found, dict) else None


def containers(resource: Resource) -> Iterator[Resource]:
    """The containers of a workload."""
    yield from (pod(resource) or {}).get("containers", [])


def of_kind(base: str, kind: str) -> list[Resource]:
    """Those of one kind."""
    return [resource for resource in resources(base) if resource["kind"] == kind]


def workloads() -> list[tuple[str, Resource]]:
    """Each base with its one workload."""
    return [(base, next(resource for resource in resources(base) if pod(resource))) for base in BASES]


def variables(resource: Resource) -> dict[str, str]:
    """Environment variables of a workload's one container."""
    (container,) = containers(resource)
    return {entry["name"]: entry["value"] for entry in container["env"]}
