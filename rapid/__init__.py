"""The execution environment: Runtime API server, invoke front ends and the environments' lifecycle."""

__version__ = "0.1.0"
