"""The endpoint: what SageMaker starts with `docker run IMAGE serve`.

`supervisor` starts and stops three programs: HAProxy (`proxy`), which is the only one on the network; Multi Model
Server (`model_server`), whose workers (`worker`, `handler`) run the user's model; and the capture shipper. A request
goes through `stages`: decode, features, predict, encode, capture.

Command line: `python -m container serve`. The guide is `docs/endpoint.md`.
"""
