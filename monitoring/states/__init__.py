"""Mergeable states: what one pass over the rows keeps, so that no question needs the rows again.

`binning` fixes the bins of each column by the baseline. `column` is the state of one column, `profile` that of a window:
columns, counts by unit, and the slices (model version, sampling percentage) that they belong to. States merge
associatively: the state of a day equals the merge of its hours. Checks, drift and report see states only.
"""
