"""RecordIO-protobuf, SageMaker's own record format: `application/x-recordio-protobuf`.

`frames` cuts a body into records, `record` has their protobuf descriptor, `tensors` reads and writes their values, and
`codec` makes arrays and columns of them.
"""
