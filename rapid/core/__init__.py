"""The sans-IO core: inputs in, effects out.

Nothing below this folder knows a clock, a socket, a process or an event loop: time comes in as a number, processes and
requests as inputs, and what should happen goes out as effects. `tests/core/test_purity.py` holds it to that.
"""
