"""Environments that are started from a snapshot of an initialised process. Arrows point down:

    opening             the backends by name
    backend             `SnapshotBackend`: what a pool asks for processes; `none`
    forking             keeps a template, forks it, makes it anew when it is dead or stale: `fork`, and `criu`
    taking, restoring   a template that is written to disk, and one that comes from there
    hosts               where a template comes from: an environment of its own, which stays at the snapshot point
    manifest, store     what a snapshot on disk depends on; its folder
    criu                the program
    changes             whether the function's files are still those that the template has loaded
    launcher, forked    a fork as the runtime's process of an environment
    template            client of the protocol that a template speaks

How a pool uses it. For each new environment it asks `await backend.prepare(environ, cwd, framed_log=...)`, with the
variables that it would give to the runtime's process:

* a `PreparedFork`: the environment has `Lifecycle(..., restored=True)` and the launcher
  `ForkLauncher(prepared, ordinary_launcher)`. The fork gets its "go" when the core launches the runtime. If the
  environment goes away without that, `prepared.discard()`. After a reset the environment is replaced, for a fork can be
  started once;
* None: the environment is initialised ordinarily. Why has been logged.

`backend.begin()` when the server starts, `await backend.stop()` when no environment is wanted any more: who waits for
the first template waits no longer. A backend is made by `opening.BACKENDS[name](Means(...))`, in a running loop:

    templates = Templates(host, own_ports)                            # rapid.templates
    where = place(settings, command, templates.environ("127.0.0.1:0"))  # rapid.snapshotting
    backend = BACKENDS[settings.snapshots.backend](Means(templates, reaper, where, settings.snapshots.folder))
"""
