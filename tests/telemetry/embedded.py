"""The rules of CloudWatch's embedded metric format, for a line of a log.

Source: Amazon CloudWatch user guide, "Specification: Embedded metric format" (its schema, and what it says in words).
"""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator

MOST_VALUES = MOST_METRICS = 100
UNITS = (
    *("Seconds", "Microseconds", "Milliseconds", "Percent", "Count", "Count/Second", "None"),
    *(f"{size}{kind}" for size in ("", "Kilo", "Mega", "Giga", "Tera") for kind in ("bytes", "bits") if size),
    *("Bytes", "Bits"),
)

SCHEMA = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "properties": {
                "Timestamp": {"type": "integer", "minimum": 0},
                "CloudWatchMetrics": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/directive"}},
            },
        }
    },
    "$defs": {
        "name": {"type": "string", "minLength": 1, "maxLength": 1024, "pattern": "^(.*)$"},
        "directive": {
            "type": "object",
            "required": ["Namespace", "Dimensions", "Metrics"],
            "additionalProperties": False,
            "properties": {
                "Namespace": {"$ref": "#/$defs/name"},
                "Dimensions": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "array",
                        "maxItems": 30,
                        "items": {"type": "string", "minLength": 1, "maxLength": 250, "pattern": "^(.*)$"},
                    },
                },
                "Metrics": {
                    "type": "array",
                    "maxItems": MOST_METRICS,
                    "items": {
                        "type": "object",
                        "required": ["Name"],
                        "additionalProperties": False,
                        "properties": {
                            "Name": {"$ref": "#/$defs/name"},
                            "Unit": {"enum": list(UNITS)},
                            "StorageResolution": {"enum": [1, 60]},
                        },
                    },
                },
            },
        },
    },
}


def metrics(line: str) -> dict[str, Any]:
    """The metrics of a line by name, dimensions included, once it has been found to keep all rules."""
    assert line.endswith("\n")
    assert line.count("\n") == 1
    assert len(line) <= 256 * 1024
    document = json.loads(line)
    Draft202012Validator(SCHEMA).validate(document)
    for directive in document["_aws"]["CloudWatchMetrics"]:
        assert not directive["Namespace"].startswith("AWS/")
        for name in {name for names in directive["Dimensions"] for name in names}:
            assert isinstance(document[name], str), f"dimension {name} is no text"
        for metric in directive["Metrics"]:
            value = document[metric["Name"]]
            values = value if isinstance(value, list) else [value]
            assert 0 < len(values) <= MOST_VALUES
            assert all(type(each) in (int, float) for each in values), f"{metric['Name']} is {value!r}"
    return {name: value for name, value in document.items() if name != "_aws"}
