"""The commands for people: `inspect`, `stats` and `ddl`."""
