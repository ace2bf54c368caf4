"""The demo site in real Chromium, as a reader sees it."""
