"""Numbers of a run as metrics: CloudWatch, embedded metric format, Prometheus, Pushgateway, OpenTelemetry.

    table        every metric once: its names, unit, level, and what it means
    samples      a result to samples of the table; only finite values
    names        what a service takes as a name or a dimension
    cloudwatch   PutMetricData
    emf          CloudWatch's embedded metric format, one JSON line each on a stream
    prometheus   a text file for node_exporter's textfile collector, and the text for a Pushgateway
    otlp         OpenTelemetry over HTTP
    destination  the table `[publish]` of monitor.toml to the publishers

Dashboards, alarm rules and the table in docs/metrics.md are generated from `table` by `deploy/generate.py`.

A window's metric bears the end of its window while CloudWatch still shows it within hours. Everything about the run itself, the
heartbeat among it, bears the time of the run: an alarm can rely on it.
"""
