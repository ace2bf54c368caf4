"""The tools around the suite: the lock, the audit, the run with the newest releases."""
