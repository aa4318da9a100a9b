"""Shipping: committed records become objects, exactly once, and every record is accounted for.

`spool_watcher` tracks what the spool holds, `losses` what can no longer arrive, `flush_policy` decides when records are
taken, `batch` what is taken in one go, `pending_batches` holds what an earlier shipper left, `delivery` takes a batch
through `daemon_executor` and `uploader` to the sink. `checkpoint` says what is done, `ledger_writer` publishes the ledgers,
`shipper` is the loop over all of it, `process` the process around it.
"""
