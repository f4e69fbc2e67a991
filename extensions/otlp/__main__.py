"""`python -m rapid_extensions.otlp` does what `rapid-otlp` does."""

from __future__ import annotations

from . import main

main()
