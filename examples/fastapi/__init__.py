"""The flights model in a FastAPI server of one's own, with `CaptureBuffer`: see `app`."""
