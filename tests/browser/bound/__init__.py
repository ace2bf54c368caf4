"""Sessions that are bound to a device, in real Chromium over HTTPS."""
