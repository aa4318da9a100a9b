"""What the supervisor and its workers share: settings, limits of the machine, and the files by which they exchange state.

`settings`, `artefact`, `resources` and `headers` are values. `run_directory`, `worker_status` and `in_flight` are files;
`die_with_parent` binds a child process to its parent.
"""
