"""What training looked like: the bins, the profile of the training rows, their units, and Model Monitor's two files.

`build` makes a baseline from training data or from a captured period, `baseline` is what everything else uses, `sidecar`
holds the counts by unit for the drift decision, `statistics` and `constraints` are Model Monitor's files.
"""
