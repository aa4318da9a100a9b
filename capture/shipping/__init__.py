"""Shipping: how committed records become objects, exactly once, with every one of them accounted for.

`scene` is what stands in the spool, `losses` what can no longer arrive, `knobs` when records are taken, `batch` what is taken
in one go, `pending` what an earlier shipper left of it, `delivery` its way through `jobs` and `dispatch` to the sink,
`state` what has been done, `bookkeeper` the ledgers, `shipper` the loop over all of it, `ship` the process around it.
"""
