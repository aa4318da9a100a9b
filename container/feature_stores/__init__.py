"""Online feature stores: one small protocol, three stores, and what a request needs around them.

`protocol` says what a store is; `sqlite`, `sagemaker` and `feast` are the ones that come with us; `opening` picks one
by `FEATURE_STORE_URI`; `caching` keeps records for a while; `recording` is what `features_fn` gets: it keeps the
deadline and the failure policy, and notes what was looked up for the captured record. `docs/feature-stores.md`.
"""
