"""Output and log records."""

import atexit
import logging
import os
import sys
import threading
import time
import warnings

log = logging.getLogger(__name__)


def prints(event, context):
    print("a line")
    print("no newline", end="")
    print("two\nlines", "tab\t", "é😀", sep="|")
    print()


def prints_to_standard_error(event, context):
    print("an error line", file=sys.stderr)
    sys.stderr.write("no newline")


def writes(event, context):
    sys.stdout.writelines(["one\n", "two\n"])
    sys.stdout.buffer.write(b"bytes \xff\n")
    sys.stdout.flush()
    os.write(1, b"to the descriptor\n")


def both_streams(event, context):
    for number in range(20):
        print(f"out {number}")
        print(f"err {number}", file=sys.stderr)
        logging.warning("record %d", number)


def every_level(event, context):
    logging.debug("debug")
    logging.info("info")
    logging.warning("warning")
    logging.error("error")
    logging.critical("critical")


def every_level_asked_for(event, context):
    logging.getLogger().setLevel(logging.DEBUG)
    every_level(event, context)
    log.info("of a named logger")


def notset(event, context):
    logging.getLogger().setLevel(1)
    logging.log(5, "below debug")
    logging.log(0, "of no level")


def levels_between(event, context):
    logging.getLogger().setLevel(1)
    logging.addLevelName(25, "NOTICE")
    for level in (1, 15, 25, 35, 45, 55, 1000):
        logging.log(level, "level %d", level)


def named_loggers(event, context):
    logging.getLogger("a.b").warning("of a.b")
    logging.getLogger("é").error("of é")
    log.warning("of this module")


def arguments(event, context):
    logging.warning("%s and %d", "text", 7)
    logging.warning("%(a)s", {"a": 1})
    logging.warning("100%")


def wrong_arguments(event, context):
    logging.warning("%d", "not a number")


def lines(event, context):
    logging.warning("first\nsecond\r\n\n  last\n")


def unicode(event, context):
    logging.warning("Zażółć 日本語 😀 \u2028")


def control_characters(event, context):
    logging.warning('nul \x00 tab \t quote " backslash \\ delete \x7f')


def empty(event, context):
    logging.warning("")


def large(event, context):
    logging.warning("x" * 300_000)


def messages_of_other_kinds(event, context):
    logging.warning({"a": 1, "b": [None, "é"]})
    logging.warning(["a", 1])
    logging.warning(None)
    logging.warning(b"bytes")
    logging.warning(ValueError("an exception"))


def dictionary_with_odd_values(event, context):
    logging.warning({"when": time.gmtime(0)[:6], "kind": int, "set": {1}, 1: 2, None: True, "nan": float("nan")})


def exception(event, context):
    try:
        {}["missing"]
    except KeyError:
        logging.exception("it failed")


def exception_chained(event, context):
    try:
        try:
            {}["missing"]
        except KeyError as error:
            raise ValueError("another") from error
    except ValueError:
        logging.exception("it failed")


def exception_without_one(event, context):
    logging.error("nothing is wrong", exc_info=True)


def exception_given(event, context):
    logging.warning("given", exc_info=ValueError("never raised"))


def extra(event, context):
    logging.warning("extra", extra={"order": 7, "tags": ["a"], "none": None, "nested": {"é": 1.5}})


def extra_of_our_names(event, context):
    logging.warning("extra", extra={"requestId": "mine", "level": "mine", "timestamp": "mine", "tenantId": "mine"})


def stack(event, context):
    logging.warning("with a stack", stack_info=True)


def then_raises(event, context):
    logging.warning("before")
    raise ValueError("after the log")


def captured_warnings(event, context):
    logging.captureWarnings(True)
    warnings.warn_explicit("be warned", UserWarning, "file.py", 3)


def plain_warnings(event, context):
    warnings.warn_explicit("be warned", UserWarning, "file.py", 3)


def own_handler(event, context):
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("own %(levelname)s %(name)s %(message)s"))
    log.addHandler(handler)
    log.warning("twice")


def own_format(event, context):
    for handler in logging.getLogger().handlers:
        handler.setFormatter(logging.Formatter("%(aws_request_id)s own %(message)s\n"))
    logging.warning("as I like it")


def own_set_up(event, context):
    logging.basicConfig(level=logging.INFO, format="basic %(message)s", force=True)
    logging.info("basic")


def basic_configuration(event, context):
    logging.basicConfig(level=logging.DEBUG, format="never seen %(message)s")
    logging.info("not shown")
    logging.warning("shown")


def handlers(event, context):
    (handler,) = logging.getLogger().handlers
    return [type(handler).__name__, hasattr(handler, "log_sink"), len(handler.filters), logging.getLogger().level]


def disabled(event, context):
    logging.disable(logging.ERROR)
    logging.error("not shown")
    logging.critical("shown")


def record_factory(event, context):
    made = logging.getLogRecordFactory()

    def factory(*args, **kwargs):
        record = made(*args, **kwargs)
        record.version = "1.2"
        return record

    logging.setLogRecordFactory(factory)
    logging.warning("made by a factory")


def filtered(event, context):
    logging.getLogger().handlers[0].addFilter(lambda record: "secret" not in record.getMessage())
    logging.warning("a secret")
    logging.warning("%s told by %s", "request", logging.getLogger().handlers[0].filters[0].__class__.__name__)


def adapter(event, context):
    logging.LoggerAdapter(log, {"order": 7}).warning("through an adapter")


def through_the_context(event, context):
    context.log("a message")
    context.log("another\nof two lines\n")
    context.log({"a": 1})
    context.log("é😀\n")


def mixed(event, context):
    print("printed")
    logging.warning("logged")
    context.log("of the context\n")
    print("to stderr", file=sys.stderr)
    logging.error("logged again")


def from_a_thread(event, context):
    thread = threading.Thread(target=logging.warning, args=("from a thread",))
    thread.start()
    thread.join()


def after_the_answer(event, context):
    """The thread logs when the handler has returned; the line carries the last invocation's id."""
    returned = threading.Event()

    class Result(dict):
        def __del__(self):
            returned.set()

    def work():
        returned.wait()
        logging.warning("after the answer")

    threading.Thread(target=work, daemon=True).start()
    return Result()


def while_marshalling(event, context):
    return Logging()


def across_invocations(event, context):
    logging.warning("event %s", event)
    if event == 1:
        raise ValueError("the second")
    return event


def at_exit(event, context):
    atexit.register(logging.warning, "at exit")
    sys.exit(0)


def closed_standard_output(event, context):
    sys.stdout.close()
    return "closed"


def error_behind_closed_output(event, context):
    sys.stdout.close()
    raise ValueError("not to be lost")


def error_behind_broken_output(event, context):
    sys.stdout = None
    raise ValueError("not to be lost")


def assigned_standard_output(event, context):
    import io

    sys.stdout = io.StringIO()
    print("nowhere")
    return sys.stdout.getvalue()


def redirected(event, context):
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()) as text:
        print("caught")
        logging.warning("caught too")
    return text.getvalue().count("caught")


class Logging:
    def _asdict(self):
        logging.warning("while the result is made")
        return {"a": 1}


if os.environ.get("LOG_AT_INIT"):
    print("printed at init")
    logging.getLogger().setLevel(logging.INFO)
    logging.info("logged at init")


def at_init(event, context):
    logging.info("logged in the handler")
