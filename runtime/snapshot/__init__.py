"""SnapStart: what is between the init and the first invocation of a process that is kept as a snapshot.

Imported only where `AWS_LAMBDA_INITIALIZATION_TYPE` is `snap-start`. Arrows point down:

    restoring           the protocol: hooks, restore/next, hooks
    hooks               those of the function, registered with snapshot_restore_py
    template            a snapshot that is a process: served over a unix socket, never runs an invocation
    fork                a new process out of it
    output              standard output and error, while it is forked
    loops, executors    its event loops and thread pools made its own
    fresh               randomness that two restores do not share
    vgetrandom          the kernel's generator in a process that is written to disk
    shown               what /proc says of the new process
    contents            what a template has that a fork does not carry
    messages            one JSON line each way, descriptors beside it

`template` and what only it needs is imported only where `RAPID_TEMPLATE_SOCKET` is set.
"""
