"""The journal: the files in which a record survives the process that wrote it.

`frame` lays out the bytes of a record, `values` encodes a value, `segment` is the file of frames and says what is
committed, `spool` is the directory of segments, `counters` are the mapped counters of a process, `location` chooses the
spool's place and size. `capture.writing` writes these files; `capture.shipping` reads them.
"""
