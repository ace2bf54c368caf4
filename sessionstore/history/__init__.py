"""SESSIONSTORE_HISTORY: what happened to the sessions of users, written as it happens."""
