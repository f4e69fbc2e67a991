"""A module in a package in a package."""


class DeepError(Exception):
    pass


def fail(text):
    raise DeepError(text)
