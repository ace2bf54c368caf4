"""`python -m bench` measures this engine against its peers in one run."""
