"""Shipping: committed records become objects, exactly once, and every record is accounted for.

`spool_watcher` scans the spool and changes nothing; `housekeeping` changes what a scan found. `flush_policy` decides when
records are taken, `batch` what is taken in one go. `pending_batches` holds what is to be delivered, `delivery` takes one batch
through its encoder thread and `uploader` to the sink. `losses` finds what can no longer arrive, `batch_entry` and
`ended_processes` enter what is done into the `checkpoint`, `ledger_writer` publishes the ledgers. `shipper` is the loop over all
of it, `process` the process around it.

One class owns each file: `checkpoint.Checkpoint` the checkpoint, `manifest_files.ManifestFiles` the manifests,
`ledger_writer.LedgerWriter` the ledgers. Each file is replaced whole: written to `.{name}.tmp` beside it, synced, renamed.

Times are microseconds since 1970 UTC. A range `[first, last]` of record numbers includes both ends.

Manifest, version 2: `batches/{batch}.json`, JSON

| key | value |
| --- | --- |
| `batch` | the batch's id; its objects' keys end with it |
| `header` | the header of its segments (`capture.record.Header`), an object |
| `parts` | list of `{segment, writer, start, stop, first, records}`: bytes [start, stop) of the segment's data hold `records` records, numbered from `first` |
| `unencodable` | list of `[writer, number]`: records that the objects leave out |
| `tries` | how often encoding was begun |
| `encoded` | true once encoding was finished; from then on the batch is never halved |
| `parent` | the id of the batch of which this is a half, or `""` |
| `version` | 2 |

Version 1 has no `version` and calls `unencodable` `aside`. It is read, and written as version 2.

Checkpoint, version 2: `state`, one msgpack map

| key | value |
| --- | --- |
| `spool` | the spool's id, 32 hexadecimal digits; ledgers carry it |
| `began` | when the spool began |
| `version` | 2 |
| `fresh` | true if an older checkpoint could not be read |
| `ended` | list of process ids whose counts are in `totals` although their counters file may still exist |
| `last_batch` | the id of the last batch that is done, or `""` |
| `progress` | map: segment id → `[records, bytes]` that are shipped or given up |
| `streams` | list of streams, below |
| `totals` | map of counts since the spool began, below |

A stream: `stream` is `{destination, endpoint_name, variant_name}`; `kms_key_id` is text or null; `began`; `days` maps a day's
midnight to a map: object key → `{rows, events, event_times: [first, last]}`; `writers` maps a writer id to a writer; `forgotten`:
days before it are no longer kept.

A writer: `kept`, `sampled_out`, `refused` (map: reason → records), `shipped` (list of ranges), `lost` (list of
`{reason, first, last, event_times}`, `event_times` being `[first, last]` or null), `open`, `in_totals` (true once its process
has ended and `totals` has its counts).

Totals of batches that are done: `objects`, `records`, `rows`, `bytes` (of objects), `rescued_cells`, `renamed_features`,
`row_mismatches`. Of the spool: `dropped_segments`, `dropped_bytes`, `damaged_segments`. Of ended processes: `ended_rows`,
`ended_bytes`, `ended_appended`, `ended_sampled_out`, `ended_shipped`, `ended_refused` and `ended_lost` (maps: reason → records),
`ended_latency` (`[calls, nanoseconds in all, longest, map: bucket → calls]`, buckets as in `capture.journal.counters`).

Version 1 calls `streams` `books`, `stream` `place`, `in_totals` `told`; its writers have `appended`, and its totals `batches` and
`refused_names`. It is read, and written as version 2. Another version is quarantined, and `fresh` is true from then on.

Ledger, version 1: the object `{prefix}/_ledger/{endpoint}/{variant}/{yyyy}/{mm}/{dd}/{spool}.json`, JSON. Its keys are those of
`capture.ledger.Ledger`: `spool`, `endpoint_name`, `variant_name`, `as_of`, `complete_until`, `closed`, `objects` (map as in `days`),
`writers` (map: writer id → `{appended, kept, sampled_out, refused, shipped, lost, open}`), `version` (1), `next_by` (or null). Ledgers
written before 0.2 also have `told` in each writer; readers ignore it.

What a crash of the shipper leaves

| a crash | leaves | what the next shipper does |
| --- | --- | --- |
| before the manifest | nothing | takes the records |
| after the manifest | a manifest, `encoded` false | encodes the batch again; after a death during encoding, first on trial in a child process |
| while it halves a batch | a half and its parent's manifest | removes the half, and halves again |
| during or after uploads | a manifest, `encoded` true | encodes and uploads again: the same keys, the same bytes |
| after the checkpoint | a manifest of `last_batch` | removes it; uploads nothing |
| before the ledger | an old ledger | writes the ledger again |
| between checkpoint and removal of a counters file | the process in `ended` | removes the file and counts nothing again |
"""
