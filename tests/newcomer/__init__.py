"""The steps of a first hour that only .ci/newcomer.py plays."""
