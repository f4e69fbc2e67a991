"""Exceptions of every shape."""

import asyncio
import os
import signal
import sys
import tempfile
import threading
import warnings

import errors.deep.deeper


def message(event, context):
    raise ValueError("a message")


def no_message(event, context):
    raise ValueError


def empty_message(event, context):
    raise ValueError("")


def message_of_spaces(event, context):
    raise ValueError("  ")


def several_arguments(event, context):
    raise ValueError("a", 1, None)


def not_text(event, context):
    raise ValueError({"a": 1})


def lines(event, context):
    raise ValueError("first\nsecond\r\n  indented\n\nlast\n")


def unicode(event, context):
    raise ValueError("Zażółć 日本語 😀 \u2028")


def unicode_in_the_source(event, context):
    raise ValueError("")  # Zażółć 日本語


def control_characters(event, context):
    raise ValueError("nul \x00 tab \t delete \x7f escape \x1b[31m")


def long_message(event, context):
    raise ValueError("x" * 20_000)


def message_of_a_megabyte(event, context):
    raise ValueError("x" * 1024 * 1024)


def no_text(event, context):
    raise NoText


def key(event, context):
    return {}["missing"]


def attribute(event, context):
    return None.missing


def name(event, context):
    return missing  # noqa: F821


def division(event, context):
    return 1 / 0


def operating_system(event, context):
    open("/missing/file")  # noqa: SIM115


def unicode_decoding(event, context):
    b"\xff".decode()


def chained(event, context):
    try:
        key(event, context)
    except KeyError as error:
        raise ValueError("because of another") from error


def in_a_handler(event, context):
    try:
        key(event, context)
    except KeyError:
        raise ValueError("while another was handled")  # noqa: B904


def chain_cut(event, context):
    try:
        key(event, context)
    except KeyError:
        raise ValueError("alone") from None


def noted(event, context):
    error = ValueError("noted")
    error.add_note("a note")
    raise error


def group(event, context):
    raise ExceptionGroup("several", [ValueError("one"), TypeError("two")])  # noqa: F821


def raised_again(event, context):
    try:
        message(event, context)
    except ValueError as error:
        raise error


def in_finally(event, context):
    try:
        message(event, context)
    finally:
        print("finally")


def nested_class(event, context):
    raise Outer.Inner("nested")


def own_base(event, context):
    raise OwnBase("not an Exception")


def local_class(event, context):
    class Local(Exception):
        pass

    raise Local("local")


def odd_class_name(event, context):
    raise type("Ünï code", (Exception,), {})("odd")


def nested_module(event, context):
    errors.deep.deeper.fail("from a nested module")


def lambda_function(event, context):
    (lambda: 1 / 0)()


def comprehension(event, context):
    return [1 / number for number in (1, 0)]


def generated_code(event, context):
    exec(compile("def inner():\n    raise OSError(2, 'generated')\ninner()", "<generated>", "exec"))


def bad_syntax_at_run_time(event, context):
    eval("(1,")


def missing_module_at_run_time(event, context):
    import missing_module  # noqa: F401


def recursion(event, context):
    return recursion(event, context)


def recursion_short(event, context):
    return _down(10)


def stop_iteration(event, context):
    next(iter(()))


def assertion(event, context):
    assert event is None, "expected none"


def long_line(event, context):
    return "a long line whose end is far away, so that all of it must be shown, to the last word", 1 / 0, "the end"


def several_lines(event, context):
    raise ValueError(
        "on",
        "several",
        "lines",
    )


def wrong_arguments(event, context):
    return _down()


def warning_as_error(event, context):
    warnings.simplefilter("error")
    warnings.warn("a warning", stacklevel=1)


def in_a_coroutine(event, context):
    async def fail():
        raise ValueError("in a coroutine")

    asyncio.run(fail())


def in_a_thread(event, context):
    thread = threading.Thread(target=message, args=(event, context), name="worker")
    thread.start()
    thread.join()
    return "the handler goes on"


def system_exit(event, context):
    sys.exit(3)


def system_exit_zero(event, context):
    sys.exit()


def system_exit_with_text(event, context):
    sys.exit("a last word")


def operating_system_exit(event, context):
    print("before")
    os._exit(4)


def keyboard_interrupt(event, context):
    raise KeyboardInterrupt


def keyboard_interrupt_by_signal(event, context):
    signal.raise_signal(signal.SIGINT)


def generator_exit(event, context):
    raise GeneratorExit


def cancelled(event, context):
    raise asyncio.CancelledError


def abort(event, context):
    os.abort()


def killed(event, context):
    os.kill(os.getpid(), signal.SIGKILL)


def terminated(event, context):
    signal.raise_signal(signal.SIGTERM)


def after_another(event, context):
    """Called twice: the first invocation's error leaves nothing behind."""
    if event == 0:
        raise ValueError("first")
    return sys.exc_info()[0] is None


class Outer:
    class Inner(ValueError):
        pass


class OwnBase(BaseException):
    pass


class NoText(Exception):
    def __str__(self):
        raise RuntimeError("no text")


def _down(depth):
    if depth == 0:
        raise KeyError("deep down")
    return _down(depth - 1)


def without_a_working_directory(event, context):
    os.chdir(tempfile.mkdtemp())
    os.rmdir(os.getcwd())
    raise ValueError("a message")
