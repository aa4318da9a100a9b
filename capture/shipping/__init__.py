"""Shipping: how committed records become objects, exactly once, with every one of them accounted for.

`scene` is what stands in the spool, `batch` what is taken in one go, `delivery` its way to the sink, `state` what has
been done, `bookkeeper` the ledgers, `shipper` the loop over all of it, `ship` the process around the loop.
"""
