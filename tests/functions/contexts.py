"""What the context, the environment and the interpreter tell a function."""

import logging
import os
import sys
import time


def fields(event, context):
    return [
        context.aws_request_id,
        context.log_group_name,
        context.log_stream_name,
        context.function_name,
        context.memory_limit_in_mb,
        context.function_version,
        context.invoked_function_arn,
        context.tenant_id,
    ]


def names(event, context):
    return sorted(name for name in vars(context) if not name.startswith("_"))


def kind(event, context):
    return type(context).__name__


def shown(event, context):
    return repr(context)


def shown_parts(event, context):
    return [repr(context.client_context), str(context.identity)]


def shown_client(event, context):
    return repr(context.client_context.client)


def client_context(event, context):
    client = context.client_context
    if client is None:
        return None
    return [client.custom, client.env, client.client and [getattr(client.client, name) for name in CLIENT]]


def client_context_w3c(event, context):
    return [context.w3c(), hasattr(context.client_context, "w3c")]


def client_context_w3c_is_a_copy(event, context):
    context.w3c()["traceparent"] = "changed"
    return context.w3c()


def cognito(event, context):
    return [context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id]


def deadline(event, context):
    remaining = context.get_remaining_time_in_millis()
    return [type(remaining).__name__, abs(remaining - (4_102_444_800_000 - time.time() * 1000)) < 60_000]


def deadline_over(event, context):
    return context.get_remaining_time_in_millis()


def tenant(event, context):
    logging.warning("of a tenant")
    return context.tenant_id


def trace(event, context):
    return os.environ.get("_X_AMZN_TRACE_ID", "(unset)")


def trace_in_a_child(event, context):
    return os.popen("echo $_X_AMZN_TRACE_ID").read()


def arguments_can_be_changed(event, context):
    context.anything = event["a"] = 1
    context.aws_request_id = "changed"
    logging.warning("the id is still the invocation's")
    return event


def environment(event, context):
    kept = ("AWS_", "LAMBDA", "_HANDLER", "_X_", "_LAMBDA", "TZ", "LANG", "PATH", "PYTHON")
    return {name: value for name, value in sorted(os.environ.items()) if name.startswith(kept)}


def folder(event, context):
    return os.getcwd()


def standard_streams(event, context):
    return [[stream.encoding, stream.errors, stream.isatty(), stream.fileno()] for stream in (sys.stdout, sys.stderr)]


def standard_input(event, context):
    return sys.stdin.read()


def import_path_begins(event, context):
    return [os.path.realpath(sys.path[0] or ".") == os.getcwd(), sorted(set(sys.path)) != []]


def layers(event, context):
    return [entry for entry in sys.path if entry.startswith("/opt/python")]


def python_path(event, context):
    import beside

    return beside.WHERE


def main_module(event, context):
    return [__name__, "__main__" in sys.modules]


def recursion_limit(event, context):
    return sys.getrecursionlimit()


def is_the_main_thread(event, context):
    import threading

    return threading.current_thread() is threading.main_thread()


def state_is_kept(event, context):
    COUNT.append(event)
    return COUNT


def telemetry_variable(event, context):
    return "_LAMBDA_TELEMETRY_LOG_FD" in os.environ


def wrapped(event, context):
    return [os.environ.get("WRAPPED"), sys.flags.dev_mode]


CLIENT = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")
COUNT = []
