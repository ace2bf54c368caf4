"""Checks of what a site may ask for beside its sessions, one module for each."""
