"""The library for writing Lambda extensions: an asynchronous client of the Extensions API.

An extension is a program of its own beside the function. This folder imports nothing of rapid's: it speaks to any
server of the Extensions API, AWS's own included.
"""

from __future__ import annotations

from .client import Event, Extension, ExtensionsApiError

__all__ = ["Event", "Extension", "ExtensionsApiError"]
