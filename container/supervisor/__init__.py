"""The supervisor's process: it starts, watches and stops all other processes of the endpoint.

`supervisor` holds the order of start and stop. `proxy`, `model_server`, `shipper_process` and `log_process` each own one
child process; `child_processes` reaps them. `readiness` decides what `/ping` answers, `metrics_page` serves `/metrics`,
`multi_model_api` serves `/models`.
"""
