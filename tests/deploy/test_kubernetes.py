"""deploy/: the manifests are what Kubernetes, Knative and KEDA take, and fit one another and the command."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
from jsonschema import ValidationError

from rapid import options, settings
from rapid.core.phase import Phase
from rapid.operation import KNATIVE_PORTS
from rapid.telemetry.prometheus import Prometheus
from tests.deploy import bases
from tests.deploy.bases import BASES, Resource, containers, of_kind, pod, resources, variables, workloads
from tests.support.program import ROOT

OWN = ("keda.sh/v1alpha1", "http.keda.sh/v1beta1", "serving.knative.dev/v1")
SCHEMA = {
    "Service": "knative-service",
    "ScaledObject": "keda-scaledobject",
    "InterceptorRoute": "keda-interceptorroute",
}
KUBERNETES = "1.33"
SHUTDOWN = 3
"""Seconds that the end of the environments may take after the drain."""

ALL = [(base, resource) for base in BASES for resource in resources(base)]
NAMES = [f"{base}: {resource['kind']} {resource['metadata']['name']}" for base, resource in ALL]
WORKLOADS = pytest.mark.parametrize(("base", "workload"), workloads(), ids=BASES)


def validate(resource: Resource) -> None:
    if resource["apiVersion"] in OWN:
        bases.schema(SCHEMA[resource["kind"]]).validate(resource)
    else:
        kubernetes_validate.validate(resource, KUBERNETES, strict=True)


@pytest.mark.parametrize("resource", [resource for _, resource in ALL], ids=NAMES)
def test_every_resource_is_valid(resource: Resource) -> None:
    validate(resource)


@pytest.mark.parametrize("kind", ["Deployment", "Service", "ScaledObject", "InterceptorRoute", "NetworkPolicy"])
def test_a_field_that_does_not_exist_would_be_refused(kind: str) -> None:
    for resource in (resource for _, resource in ALL if resource["kind"] == kind):
        resource = resource | {"spec": resource["spec"] | {"replicaz": 2}}
        with pytest.raises((ValidationError, kubernetes_validate.ValidationError), match="replicaz"):
            validate(resource)


def test_the_base_has_all_that_a_deployment_needs() -> None:
    assert sorted(resource["kind"] for resource in resources("kubernetes")) == [
        *("Deployment", "HorizontalPodAutoscaler", "NetworkPolicy", "PodDisruptionBudget", "Service")
    ]


@WORKLOADS
def test_pods_keep_the_restricted_standard(base: str, workload: Resource) -> None:
    spec = pod(workload)
    assert spec is not None
    for container in containers(workload):
        has: dict[str, Any] = spec.get("securityContext", {}) | container["securityContext"]
        assert has["runAsNonRoot"] is True
        assert (has["runAsUser"], has["runAsGroup"]) == (993, 990)
        assert has["seccompProfile"] == {"type": "RuntimeDefault"}
        assert has["capabilities"] == {"drop": ["ALL"]}
        assert has["allowPrivilegeEscalation"] is False
        assert has["readOnlyRootFilesystem"] is True
        assert container["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
    (volume,) = spec["volumes"]
    assert "emptyDir" in volume
    assert "hostPath" not in str(spec)
    assert spec["enableServiceLinks"] is False


@WORKLOADS
def test_variables_are_those_that_the_command_knows_and_takes(base: str, workload: Resource) -> None:
    env = variables(workload)
    known = {name for option in options.OPTIONS.values() for name in option.variables}
    usage = subprocess.run(
        [sys.executable, "-m", "rapid", "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    for name in env:
        assert name in known or name.startswith("AWS_LAMBDA_FUNCTION_")
        assert name in usage
    asked = settings.load("rapid", {}, env)
    assert asked.function.name in ("my-function", "test_function")


@WORKLOADS
def test_probes_and_ports_are_those_that_the_command_serves(base: str, workload: Resource) -> None:
    asked = settings.load("rapid", {}, variables(workload))
    (container,) = containers(workload)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports.get("http", ports.get("http1")) == asked.invoke_address.port
    assert asked.metrics.address is not None
    assert asked.metrics.address.port not in (*KNATIVE_PORTS, *(p for n, p in ports.items() if n != "metrics"))
    assert asked.metrics.address.host == "0.0.0.0"
    if "metrics" in ports:
        assert ports["metrics"] == asked.metrics.address.port
        annotations = workload["spec"]["template"]["metadata"]["annotations"]
        assert annotations["prometheus.io/port"] == str(asked.metrics.address.port)
    for name, path in (("readinessProbe", asked.probes.ready_path), ("livenessProbe", asked.probes.health_path)):
        assert container[name]["httpGet"]["path"] == path
        assert container[name]["httpGet"].get("port", "http") in ports | {"http": 0}
    if "startupProbe" in container:
        assert container["startupProbe"]["httpGet"]["path"] == asked.probes.ready_path


@WORKLOADS
def test_a_pod_has_the_time_to_end(base: str, workload: Resource) -> None:
    asked = settings.load("rapid", {}, variables(workload))
    spec = pod(workload)
    assert spec is not None
    if workload["kind"] == "Deployment":
        assert asked.draining.timeout >= asked.timeout
        least = asked.draining.grace + asked.draining.timeout + SHUTDOWN
        assert spec["terminationGracePeriodSeconds"] >= least
    else:  # a Revision's pods have as long as a request; queue-proxy drains for 30 s, then the function is told
        assert spec["timeoutSeconds"] >= 30 + asked.draining.grace + asked.draining.timeout + SHUTDOWN
        assert spec["timeoutSeconds"] > asked.timeout


@WORKLOADS
def test_memory_is_enough_for_all_environments(base: str, workload: Resource) -> None:
    asked = settings.load("rapid", {}, variables(workload))
    (container,) = containers(workload)
    number, unit = re.fullmatch(r"(\d+)(Mi)", container["resources"]["limits"]["memory"]).groups()  # type: ignore[union-attr]
    assert asked.scaling.max_environments
    assert int(number) >= asked.scaling.max_environments * asked.memory_mb + 128, unit


def test_knative_sends_as_many_at_once_as_there_are_environments() -> None:
    (service,) = of_kind("knative", "Service")
    spec = service["spec"]["template"]["spec"]
    environments = int(variables(service)["RAPID_MAX_ENVIRONMENTS"])
    each = int(variables(service).get("AWS_LAMBDA_MAX_CONCURRENCY", "1"))
    assert spec["containerConcurrency"] == environments * each


def test_knative_and_cloud_run_name_the_function() -> None:
    function = settings.load("rapid", {}, {"K_SERVICE": "hello-there"}).function
    assert (function.name, function.named) == ("hello-there", False)
    named = settings.load("rapid", {}, {"K_SERVICE": "hello", "AWS_LAMBDA_FUNCTION_NAME": "mine"}).function
    assert (named.name, named.named) == ("mine", True)


@pytest.mark.parametrize("base", ["kubernetes", "keda/prometheus", "keda/http"])
def test_selectors_targets_and_ports_meet(base: str) -> None:
    (deployment,) = of_kind(base, "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    (container,) = containers(deployment)
    ports = {port["name"] for port in container["ports"]}
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    (service,) = of_kind(base, "Service")
    assert service["spec"]["selector"].items() <= labels.items()
    assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    (budget,) = of_kind(base, "PodDisruptionBudget")
    assert budget["spec"]["selector"]["matchLabels"].items() <= labels.items()
    for policy in of_kind(base, "NetworkPolicy"):
        assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
        assert {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]} <= ports
    for scaler in [*of_kind(base, "HorizontalPodAutoscaler"), *of_kind(base, "ScaledObject")]:
        assert scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert "replicas" not in deployment["spec"]


@pytest.mark.parametrize("base", BASES)
def test_one_thing_alone_counts_the_pods(base: str) -> None:
    counting = [r["kind"] for r in resources(base) if r["kind"] in ("HorizontalPodAutoscaler", "ScaledObject")]
    assert len(counting) == (0 if base == "knative" else 1)


def test_the_http_add_on_leads_to_the_service() -> None:
    (route,), (service,) = of_kind("keda/http", "InterceptorRoute"), of_kind("keda/http", "Service")
    target = route["spec"]["target"]
    assert target["service"] == service["metadata"]["name"]
    assert target["port"] in [port["port"] for port in service["spec"]["ports"]]
    (scaled,) = of_kind("keda/http", "ScaledObject")
    assert scaled["spec"]["triggers"][0]["metadata"]["interceptorRoute"] == route["metadata"]["name"]


def test_scaling_asks_for_metrics_that_there_are() -> None:
    _, body = Prometheus("f", "1").exposition("")
    told = set(re.findall(r"^# TYPE (\w+)", body.decode(), re.MULTILINE)) | STANDING
    (autoscaler,) = of_kind("kubernetes", "HorizontalPodAutoscaler")
    assert {metric["pods"]["metric"]["name"] for metric in autoscaler["spec"]["metrics"]} <= told
    (scaled,) = of_kind("keda/prometheus", "ScaledObject")
    asked = set(re.findall(r"\brapid_\w+", scaled["spec"]["triggers"][0]["metadata"]["query"]))
    assert asked
    assert asked <= told


STANDING = {"rapid_concurrent_executions", "rapid_queue_depth", "rapid_environments", "rapid_free_capacity"}
"""Told of the environments, once there are any."""


def test_those_told_of_the_environments_are_told() -> None:
    from tests.telemetry.test_prometheus import Standing

    made = Prometheus("f", "1")
    made.watch(Standing())
    body = made.exposition("")[1].decode()
    assert set(re.findall(r"^# TYPE (\w+)", body, re.MULTILINE)) >= STANDING
    assert len(re.findall(r"^rapid_environments{", body, re.MULTILINE)) == len(Phase)
