"""Names of functions, as callers may write them."""

from __future__ import annotations

import pytest

from rapid.core.names import Function, InvalidName, UnknownFunction, check_tenant

ANY = Function("test_function", named=False, version="$LATEST", region="us-east-1", account="012345678912")
NAMED = Function("orders", named=True, version="7", region="eu-west-1", account="123456789012")
HERE = "arn:aws:lambda:us-east-1:012345678912:function"
THERE = "arn:aws:lambda:eu-west-1:123456789012:function"


@pytest.mark.parametrize(
    ("written", "qualifier", "arn"),
    [
        ("function", None, f"{HERE}:test_function"),
        ("my-fn", None, f"{HERE}:my-fn"),
        ("my-fn:live", None, f"{HERE}:my-fn:live"),
        ("my-fn", "live", f"{HERE}:my-fn:live"),
        ("my-fn:live", "live", f"{HERE}:my-fn:live"),
        ("my-fn:$LATEST", None, f"{HERE}:my-fn:$LATEST"),
        ("my-fn", "$LATEST", f"{HERE}:my-fn:$LATEST"),
        ("function:my-fn", None, f"{HERE}:my-fn"),
        ("999999999999:function:my-fn", None, f"{HERE}:my-fn"),
        ("999999999999:function:my-fn:live", None, f"{HERE}:my-fn:live"),
        ("arn:aws:lambda:sa-east-1:999999999999:function:f", None, "arn:aws:lambda:sa-east-1:999999999999:function:f"),
        (
            "arn:aws-cn:lambda:cn-north-1:999999999999:function:f:1-b",
            None,
            "arn:aws-cn:lambda:cn-north-1:999999999999:function:f:1-b",
        ),
        ("arn:aws:lambda:sa-east-1:999999999999:function:f", "x", "arn:aws:lambda:sa-east-1:999999999999:function:f:x"),
        ("a" * 64, None, f"{HERE}:{'a' * 64}"),
    ],
)
def test_every_form_of_a_name_is_understood(written: str, qualifier: str | None, arn: str) -> None:
    assert ANY.resolve(written, qualifier) == arn


@pytest.mark.parametrize(
    ("written", "qualifier"),
    [
        ("", None),
        ("a b", None),
        ("fn:", None),
        ("fn:a:b", None),
        ("fn/../x", None),
        ("arn:aws:s3:::bucket", None),
        ("fn\n", None),
        ("a" * 65, None),
        ("arn:aws:lambda:us-east-1:012345678912:function:" + "a" * 250, None),
        ("fn", ""),
        ("fn", "a b"),
        ("fn", "a" * 129),
        ("fn:live", "test"),
    ],
)
def test_a_name_that_breaks_the_rules_is_refused(written: str, qualifier: str | None) -> None:
    with pytest.raises(InvalidName):
        ANY.resolve(written, qualifier)


@pytest.mark.parametrize(
    ("function", "written", "qualifier", "arn"),
    [
        (ANY, "fn:3", None, f"{HERE}:fn:3"),
        (NAMED, "payments", None, f"{THERE}:payments"),
        (NAMED, "orders", "8", f"{THERE}:orders:8"),
        (NAMED, "payments:live", None, f"{THERE}:payments:live"),
    ],
)
def test_a_function_or_version_that_is_not_here_is_not_found(
    function: Function, written: str, qualifier: str | None, arn: str
) -> None:
    with pytest.raises(UnknownFunction, match="Function not found: ") as error:
        function.resolve(written, qualifier)
    assert str(error.value) == f"Function not found: {arn}"


@pytest.mark.parametrize(
    ("written", "qualifier"),
    [
        ("function", None),
        ("function:live", None),
        ("function:orders", None),
        ("orders", "7"),
        ("orders:7", None),
        ("orders", "live"),
    ],
)
def test_a_named_function_is_found_by_its_name_its_version_and_aliases(written: str, qualifier: str | None) -> None:
    assert NAMED.resolve(written, qualifier).startswith(f"{THERE}:orders")


@pytest.mark.parametrize("tenant", ["", "a" * 257, "a\tb", "a;b", "é"])
def test_a_bad_tenant_id_is_refused(tenant: str) -> None:
    with pytest.raises(InvalidName, match="tenantId"):
        check_tenant(tenant)


def test_a_good_tenant_id_is_kept() -> None:
    assert check_tenant("tenant a/b:c=d+e-f@g_h.i") == "tenant a/b:c=d+e-f@g_h.i"
