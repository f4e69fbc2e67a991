"""SnapStart: what is between the init and the first invocation of a process that is kept as a snapshot.

Imported only where `AWS_LAMBDA_INITIALIZATION_TYPE` is `snap-start`. Arrows point down:

    restoring           the protocol: hooks, restore/next, hooks
    hooks               those of the function, registered with snapshot_restore_py
    fresh               randomness that two restores do not share
"""
