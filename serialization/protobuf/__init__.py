"""Protocol buffers by descriptor set, without generated code.

`descriptors` loads a FileDescriptorSet and finds messages, `decode` compiles a plan for each message and reads with it,
`encode` fills a response message from what a model returns, `wellknown` knows Google's own types, `flatten` names the
columns of nested messages, and `codec` speaks media types.
"""
