"""Replay: captured rows through the `predict_fn` of an artefact, and its predictions against the captured ones.

`unpack` opens a `model.tar.gz`, `events` rebuilds what `predict_fn` was given from captured rows, `run` predicts and captures the
new predictions with `CaptureBuffer`, so both sides have passed the same encoder, `comparison` compares them, `command` is the
command line. The same artefact gives the same bits: that proves the capture. A candidate is replayed before it is approved.
"""
