"""Rows: captured windows, any Parquet or CSV, tables in memory, and what the managed service captured.

`part` has the types that engines use: a source yields groups of parts, a part yields Arrow batches in its own types. `open`
chooses the source for what a user gives. `managed` reads the managed service's JSON Lines, `preprocess` runs a user's script
over its records.
"""
