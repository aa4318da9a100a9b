"""The downstream job: captured data held against the training baseline.

This room is where statistics, checks, drift, model quality, the report, alarms and retraining live. It reads what
`capture` wrote through `capture.reader` and `capture.dataset` and knows nothing of the endpoint. It has no code yet:
the issue that builds it follows the one that makes the captured data.
"""
