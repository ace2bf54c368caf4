"""Checks of features that are off by default, one module for the setting of each."""
