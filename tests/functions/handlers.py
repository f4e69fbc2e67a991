"""Handlers of every kind."""

import functools


def _plain(event, context):
    return "plain"


class Callable:
    def __call__(self, event, context):
        return "an instance"

    def method(self, event, context):
        return "a method"

    @staticmethod
    def static(event, context):
        return "a static method"


an_instance = Callable()
bound = Callable().method
a_static_method = Callable.static
a_lambda = lambda event, context: "a lambda"  # noqa: E731
partial = functools.partial(lambda extra, event, context: extra, "partial")
built_in = max
number = 7
nothing = None


@functools.wraps(_plain)
def decorated(*args):
    return _plain(*args)


def defaults(event, context=None, more="default"):
    return more


def too_few(event):
    return event


def too_many(event, context, more):
    return more


def keyword_only(*, event, context):
    return event


def any_arguments(*args, **kwargs):
    return [len(args), kwargs]


def generator(event, context):
    yield 1


async def coroutine(event, context):
    return 1


class Constructed:
    def __init__(self, event, context):
        pass
