"""Logs: `json_lines` formats a record, `collector` is the process that gathers the output of all other processes."""
