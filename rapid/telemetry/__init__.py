"""Platform records and the log lines they become."""
