"""Results of every kind."""

import collections
import dataclasses
import datetime
import decimal
import enum
import math
import sys
import uuid


def none(event, context):
    return None


def true(event, context):
    return True


def false(event, context):
    return False


def zero(event, context):
    return 0


def negative(event, context):
    return -7


def large_integer(event, context):
    return 2**200


def too_many_digits(event, context):
    return 10**5000


def floats(event, context):
    return [0.1, -0.0, 1e100, 1.5e-7, 123456789.123456789, 5e-324, sys.float_info.max, 1e16]


def not_numbers(event, context):
    return [math.nan, math.inf, -math.inf]


def empty_string(event, context):
    return ""


def text(event, context):
    return "a sentence"


def control_characters(event, context):
    return "".join(map(chr, range(32))) + '"\\/\x7f\x80\x9f'


def unicode(event, context):
    return {"é": "Zażółć 日本語 😀", "\u2028": "\u2029\ufeff\uffff"}


def combining(event, context):
    return ["e\u0301", "\u200d", "\U0010ffff"]


def lone_surrogate(event, context):
    return "\ud800"


def surrogate_pair(event, context):
    return "\ud83d\ude00"


def empty_list(event, context):
    return []


def empty_object(event, context):
    return {}


def nested(event, context):
    return {"a": [1, {"b": [None, True, {"c": ["d"]}]}], "e": {}}


def proxy_response(event, context):
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "text/html; charset=utf-8"},
        "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]},
        "body": "<p>\u00e9</p>",
        "isBase64Encoded": False,
    }


def keys_in_order(event, context):
    return {"z": 1, "a": 2, "m": 3}


def keys_of_every_kind(event, context):
    return {1: "int", 1.5: "float", None: "none", False: "false", "s": "str", b"b": "bytes"}


def key_of_a_tuple(event, context):
    return {(1, 2): 3}


def key_of_a_decimal(event, context):
    return {decimal.Decimal("1.5"): 1}


def key_of_an_enumeration(event, context):
    return {Colour.RED: Colour.RED}


def deep(event, context):
    value = []
    for _ in range(300):
        value = [value]
    return value


def too_deep(event, context):
    value = []
    for _ in range(100_000):
        value = [value]
    return value


def deep_with_a_decimal(event, context):
    value = decimal.Decimal("1.50")
    for _ in range(600):
        value = [value]
    return value


def large(event, context):
    return {"items": ["x" * 1000] * 2000}


def wide(event, context):
    return list(range(50_000))


def tuples(event, context):
    return (1, (2, 3), ())


def named_tuple(event, context):
    return [collections.namedtuple("Point", "x y")(1, 2)]


def decimals(event, context):
    return [decimal.Decimal(text) for text in ("1.10", "-0", "1E+3", "0E-10", "123456789012345678901234567890.5")]


def decimals_not_numbers(event, context):
    return [decimal.Decimal(text) for text in ("NaN", "-NaN", "sNaN", "Infinity", "-Infinity")]


def subclass_of_decimal(event, context):
    return type("Money", (decimal.Decimal,), {"__str__": lambda self: "9"})("1.5")


def subclasses(event, context):
    return [Integer(1), Float(1.5), String("s"), List([1]), Dict(a=1)]


def enumerations(event, context):
    return [Colour.RED, Level.HIGH]


def ordered(event, context):
    return collections.OrderedDict([("b", 1), ("a", 2)])


def default_dict(event, context):
    return collections.defaultdict(list, a=[1])


def bytes_at_the_top(event, context):
    return b"\x00raw \xff\xfe"


def no_bytes(event, context):
    return b""


def byte_array(event, context):
    return bytearray(b"x")


def memory_view(event, context):
    return memoryview(b"x")


def bytes_inside(event, context):
    return {"k": b"caf\xc3\xa9"}


def bytes_inside_not_utf8(event, context):
    return {"k": b"\xff"}


def a_set(event, context):
    return {1}


def a_frozen_set(event, context):
    return [frozenset()]


def a_date(event, context):
    return datetime.date(2026, 1, 1)


def a_date_inside(event, context):
    return {"when": datetime.datetime(2026, 1, 1)}


def a_uuid(event, context):
    return uuid.UUID(int=1)


def an_object(event, context):
    return Plain()


def an_object_inside(event, context):
    return [{"a": Plain()}]


def a_complex_number(event, context):
    return 1j


def a_range(event, context):
    return range(3)


def a_class(event, context):
    return Plain


def a_function(event, context):
    return a_function


def a_data_class(event, context):
    return Data(1)


def an_exception(event, context):
    return ValueError("returned, not raised")


def not_implemented(event, context):
    return NotImplemented


def empty_mapping_of_its_own(event, context):
    return OwnItems()


def mapping_of_its_own(event, context):
    return OwnItems(a=1)


def list_of_its_own(event, context):
    return [OwnIteration([1]), OwnIteration()]


def keys_that_become_one(event, context):
    return {1: "int", "1": "str", 2.0: "float", "2.0": "str", None: 0, "null": 1}


def dictionary_view(event, context):
    return {"a": 1}.keys()


def for_json(event, context):
    return ForJSON()


def circular_list(event, context):
    value = []
    value.append(value)
    return value


def circular_object(event, context):
    value = {}
    value["self"] = [value]
    return value


def shared(event, context):
    value = {"a": 1}
    return [value, value, {"again": value}]


def the_event(event, context):
    return event


def kind_of_the_event(event, context):
    return [type(event).__name__, repr(event)]


class Plain:
    pass


class ForJSON:
    def for_json(self):
        return {"for": "json"}


@dataclasses.dataclass
class Data:
    x: int


class Integer(int):
    def __str__(self):
        return "not this"

    __repr__ = __str__


class Float(float):
    def __repr__(self):
        return "not this"


class String(str):
    __slots__ = ()

    def __str__(self):
        return "not this"


class List(list):
    pass


class Dict(dict):
    pass


class OwnItems(dict):
    def items(self):
        return {"from": "items"}.items()


class OwnIteration(list):
    def __iter__(self):
        return iter(["own"])


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    HIGH = 3
