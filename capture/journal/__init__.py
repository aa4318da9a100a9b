"""The journal: the files in which a record survives the process that wrote it.

Files, all below the spool's directory, readable and writable by their owner only

| path | format | written by | read by |
| --- | --- | --- | --- |
| `segments/{id}.seg` | segment, version 1 (`segment`, `frame`, `values`) | the writer's process; `taken`, and `state` of a dead writer, by the shipper | shipper, `capture stats` |
| `free/*.seg` | none: the bytes of an old segment | – | the process that claims one |
| `writers/{process}` | counters, version 1 (`counters`) | the process; `settled`, and `kept` of a dead writer, by the shipper | shipper, `/metrics`, `capture stats` |
| `lost/{writer}.{first}.{last}.{opened}` | an empty file; the name is the note | the process that drops a segment | shipper |
| `batches/{batch}.json` | manifest, version 2 (`capture.shipping`) | shipper | the next shipper; a process that drops a segment |
| `state` | checkpoint, version 2 (`capture.shipping`) | shipper | the next shipper, `capture stats` |
| `settings.json` | settings without secrets (`capture.handover`) | the process that starts the shipper | shipper |
| `shipper.log` | text | the shipper that a buffer started | `close`, a person |
| `quarantine/*` | what could not be read or encoded, as it was | shipper | a person |
| `lock`, `shipper.lock` | empty; held with `flock` | – | – |

Ids: a *process* id is 24 hexadecimal digits, random. A *writer* id is the process id and the writer's number as 8 hexadecimal
digits. A *segment* id is 32 hexadecimal digits, a UUIDv7. A *batch* id is a UUIDv7 with hyphens.

Sizes: a segment file has 4 MiB (`SEGMENT_BYTES`). A counters file has 65 pages of 4,096 bytes and the pages of its header. A
spool holds at most `max_bytes` of segments and quarantined files; at most 64 writers write for one process.

Invariants
- A record is committed by one store of the segment's commit word, and never before all of its bytes are there.
- A segment is in one directory at a time. Files move between directories only under `lock`.
- One process at a time ships: the holder of `shipper.lock`.
- `appended = kept + sampled out + refused` at any moment, since `appended` is not stored.
- A counters file is locked (`flock`) while its process can write. Whoever gets the lock knows that it no longer can.

What a crash leaves

| a crash of the writer | leaves | what happens next |
| --- | --- | --- |
| before the commit word | bytes beyond it | they are not a record; nothing reads them |
| after the commit word, before `kept` | a record that the counters do not know | the shipper corrects `kept` if the record can be read |
| with an open or prepared segment | a segment whose process is dead | the shipper seals it, or frees it if it holds no record |
| while it creates its counters file | a file that begins with zeros | the shipper removes it |
| while it claims a file | `free/new.seg`, or a segment without records | the next claim, or the shipper, uses it |
| while it drops a segment | a note in `lost/`; the segment's file, maybe already in use again | the shipper counts the numbers of the note, unless they are shipped |

A crash of the machine loses what the kernel had not written back: the first bad checksum ends a segment.

Former layouts: a block of kind 4 (`frame`) was written until 0.1.0 and is read. Version 1 is the only version of segments and of
counters. A file of another version is quarantined. The directory `set-aside/` is renamed `quarantine/`.
"""
