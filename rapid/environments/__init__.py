"""The imperative shell: processes, timers, parked requests and the scheduler of environments."""
