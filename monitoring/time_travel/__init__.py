"""Time travel: what an online feature store answered at the time of a request, from the offline store's records.

*As known at the request* is the rule: of the records whose `api_invocation_time` is not after the request, the one with the
greatest event time. A join on event time alone, as the documented Athena query makes it, finds records that the endpoint
could not have seen.

`groups` describes which feature groups a request asked and by which ids, `offline_store` reads their records, `timeline` says
which record the online store held from when, `as_known` joins requests with it. `backfill` writes a captured dataset from
requests that hold only ids; `skew` compares captured values with rebuilt ones, cell by cell.
"""
