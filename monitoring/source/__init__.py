"""Rows: captured windows, any Parquet or CSV, tables in memory, and what the managed service captured."""
