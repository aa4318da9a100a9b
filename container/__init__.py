"""The endpoint: what SageMaker starts with `docker run IMAGE serve`, by process.

`supervisor` starts and stops the other processes: HAProxy, the only one on the network; Multi Model Server, whose workers
(`worker`) run the user's model; the capture shipper; and the log collector (`logs`). `feature_stores` are the online
stores that a worker asks. `shared` and `metrics` are what the processes have in common.

Command line: `python -m container serve`. The guide is `docs/endpoint.md`.
"""
