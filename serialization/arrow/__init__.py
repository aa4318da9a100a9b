"""Arrow streams and Parquet, the columnar formats, to one record batch and back.

Both compress, and both let a few bytes stand for many values, so what a body would become is worked out from its
metadata before it is read: `batches` for Arrow's buffers, `pages` for Parquet's pages. What was read is validated in
full, for its offsets and texts are the sender's (`safety`). `table` makes a table of a prediction; `stream` and
`parquet` are the codecs.
"""
