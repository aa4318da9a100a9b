"""The journal: how a record gets from a request's thread into memory that survives the process.

`blocks` turn what a caller passes into drafts, `frame` lays a draft's bytes, `segment` is the file that holds them and
says what is committed, `spool` the directory of such files, `lane` one writer, `lanes` those of a process, `account`
their counters, `attendant` the thread that keeps segments ready, `complaints` what the log is told of refusals.
"""
