"""Tells where it runs, and on what."""

import os
import platform


def handler(event, context):
    return {
        "function": context.function_name,
        "python": platform.python_version(),
        "runtime": os.environ.get("AWS_EXECUTION_ENV"),
        "event": event,
    }
