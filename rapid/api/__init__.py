"""HTTP faces that the processes of an environment call."""
