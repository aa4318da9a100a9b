"""The subscriber: messages of runs from a queue to PagerDuty and Slack, each cause once.

    settings        the tables `[notify]` of monitor.toml: destinations and routes
    secrets         `env:NAME` and Secrets Manager ARNs to values that no log shows
    envelope        a queue's body to a message of a run, a CloudWatch alarm, or something foreign
    record          what was delivered for one endpoint variant, and what is under way
    plan            record and message to the effects that are missing, a pure function
    deliverer       carries effects out: intent written before, outcome after, one holder at a time
    incident_text   a cause as a PagerDuty event
    slack_text      a message of a run as Slack blocks
    pagerduty, slack   the vendors' clients, with our time limits and without their endless retries
    consumer        the process: SQS long poll, backoff, dead letters
    lambda_handler  the same as an AWS Lambda function
    dry_run         what a history of runs would have sent

Invariants:

1. A message is deleted from the queue only after all its effects are recorded as done.
2. An effect is recorded as intended before it is carried out. After a crash it is carried out again: PagerDuty recognizes the
   incident's key, Slack's second message is marked "(may be a repeat)".
3. Only the newest message of a variant opens an incident. An older one can add a line to Slack, never a page.
4. An incident is resolved with the routing key that opened it, whatever the settings are by then.
5. No secret is stored or logged: a record holds a secret's reference and a fingerprint.
"""
