"""One start for one episode: a rule chooses the cause, a guard makes the start unique, a starter carries it out.

    settings     the rules of `[[retraining.rule]]` in monitor.toml
    decision     open causes and earlier starts to: start, wait, ask a person, or nothing; a pure function
    guard        the object that makes a start unique, and the turn that separates starts of one rule
    pipeline     starts a SageMaker pipeline
    event        puts an EventBridge event
    command      runs a local command, the default of the demo
    controller   decision, guard and starter in order

Invariants:

1. The guard `retraining/{endpoint}/{variant}/{cause}-{episode}.json` is created by a conditional put. Only the monitor that
   created it, or that took it over after its lease ran out, starts anything.
2. A start is recorded in its guard. Before a taken-over guard is carried out, the starter looks for a start of the same key.
3. A rule starts at most once in its rest time, and at most `attempts` times for a cause. After that a person decides.
"""
