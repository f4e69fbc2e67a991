"""Events as the dataclasses and pydantic models that a handler's annotation names, and such results.

Imported only where `RAPID_TYPED_EVENTS=on`. Arrows point down:

    events      which annotation a handler's event has, and the handler that reads it so
    results     the encoder that knows dataclasses and models
    readers     from an annotation to what reads a JSON value as it
    scalars     the readers of texts, numbers, times, enumerations
    models      pydantic's part
    mismatch    a value that is not what was expected: where, what was found
"""
