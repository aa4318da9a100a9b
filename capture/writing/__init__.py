"""Writes the journal from inside the process that serves requests.

`block_encoder` turns the caller's features and predictions into encoded blocks, with `coercion`, `dataframes` and
`column_names`. `writer` owns one open segment; `writer_pool` holds the writers of a process; `segment_pool` is the thread
that prepares segments. `shipper_launcher` starts a shipper where none holds the spool.
"""
