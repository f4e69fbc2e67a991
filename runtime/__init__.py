"""The Python runtime interface client: loads the user's handler, then next, call, respond, for ever.

This folder is a program, started by the `bootstrap` beside it; nobody imports it under this name. Arrows point down:

    __main__                the narrowed import path, the private package name
    start                   composition: reads the environment, puts the parts together
    loop                    next, call, respond
    completion, event_loop  what is not over when the handler returns: coroutines, generators
    streaming, response     a response that is sent while it is being written
    client                  the Runtime API
    connection, upload      HTTP/1.1 on one keep-alive connection; one for each streamed response
    snapshot/               SnapStart: hooks, being restored, being forked
    web/                    ASGI and WSGI applications in the place of handlers
    typed/                  events and results as dataclasses and pydantic models, if asked for
    concurrency/            several invocations at once: processes, threads, tasks
    handler, marshal, context, report, errors, paths
    logs, formats, log_handler, json_records, frames, frame_types

Only the standard library is imported, and what costs milliseconds (`logging`, `traceback`, `json`) only when needed.
"""
