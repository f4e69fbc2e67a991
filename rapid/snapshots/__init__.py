"""Environments that are started from a snapshot of an initialised process. Arrows point down:

    opening             the backends by name
    backend             `SnapshotBackend`: what a pool asks for processes; `none`
    forking             the backend `fork`: keeps a template, forks it, builds it anew when it is dead or stale
    hosts               where a template comes from: an environment of its own, which stays at the snapshot point
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

`backend.begin()` when the server starts, `await backend.stop()` when all environments have been stopped. A backend is
made, by `opening.BACKENDS[name](Means(...))`, with an `EnvironmentFactory` (`hosts`): it makes the environment of a
template, with a listener of its own, no external extensions, initialization type snap-start, and
`RAPID_TEMPLATE_SOCKET` among the variables of its runtime.
"""
