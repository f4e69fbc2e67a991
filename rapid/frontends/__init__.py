"""HTTP faces that callers use: each translates its own wire format to invocations and back."""
