"""The checks of a window against the constraints of a baseline, one file a check.

The six checks of Model Monitor bear its names, and their descriptions its words: scripts parse them, so nothing follows the
number in `Baseline drift distance: … exceeds threshold: …`. Our own sentence stands beside. The checks `non_negative_check`,
`range_check`, `renamed_column_check`, `stale_store_check` and `missing_entities_check` are ours.

A check is a pure function of states and a constraint. `run` calls all of them.
"""
