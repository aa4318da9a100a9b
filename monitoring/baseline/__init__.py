"""What training looked like: the bins, the profile of the training rows, their units, and Model Monitor's two files.

`build` makes a baseline from training data or from a captured period, `baseline` is what everything else uses, `sidecar`
holds the counts by unit for the drift decision.

`constraints` are typed; `constraints_file` reads and writes their JSON, `suggestion` makes them from training data.
`statistics` writes binned columns as Model Monitor's statistics, `statistics_reader` reads the file, `rebinning` turns what it
read into binned columns. `registry` keeps a baseline with a model version.
"""
