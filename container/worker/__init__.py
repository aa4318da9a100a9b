"""The worker's process: it runs the user's model.

`process` starts it, `handler` and `service` are what Multi Model Server calls, `pipeline` holds the stages of a request
(decode, features, predict, encode, capture), `user_module` loads `inference.py`.
"""
