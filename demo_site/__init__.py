"""A small shop that shows what a session is: `python -m demo_site`."""
