"""SESSIONSTORE_HISTORY: what is written down, and when it stands."""
