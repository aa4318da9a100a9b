"""From causes to one message for a run: which causes are new, worse or over, and which of them page.

A cause moves `ok → suspected → open → recovering → ok`. One time from `open` to `ok` is an *episode* with a number. The state of
all causes of one endpoint variant is one object, `alarms/{endpoint}/{variant}.json`, which only conditional writes change.

    policy       what pages, what is only a message, how long quiet lasts, how many pages a month may have
    state        the object: every cause, its phase and episode, and the messages that are not published yet
    observation  what one run found in its window: which causes are there, and which absences it could have noticed
    transition   state and observation to the next state and its changes, a pure function
    message      the message of a run: a typed, versioned JSON document
    register     reads, changes and writes the state; publishes what waits in it
    sns          a message as an SNS notification, within the limits of the service

Invariants:

1. Each window of a monitor changes the state once. A repeated window changes nothing.
2. A window that is older than one already applied never opens a page and never closes an episode.
3. The state and the message about its change are written together. A message leaves the state after it was published, so a
   crash between the two publishes it again and never loses it.
4. Every message carries the revision of the state and all open causes. A subscriber that keeps the highest revision can
   ignore older messages about what is open.
"""
